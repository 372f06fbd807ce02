#!/usr/bin/env bash
# kafkajs's own tests against a cluster of ours, as a table.
#
# usage: kafkajs_suite.sh CHECKOUT [PATTERN]
#
#   CHECKOUT  a kafkajs source tree with its packages installed (npm install)
#   PATTERN   of test files; default: those that talk with a broker
#
# The tests know their brokers: three on localhost 9092, 9095 and 9098 with the
# ids 0, 1 and 2. If nothing listens there, such a cluster is started (sillok and
# the two servers: SILLOK=path of the command, SILLOK_SERVERS=their folder) and
# stopped at the end. A line per test that did not pass, with the reason, then
# the numbers. Ends with 0 if all failures are of what Sillok does not have: TLS,
# SASL, ACLs, transactions, reassignment. scripts/addPartitions.sh of the
# checkout asks a container; tests that call it need another one in its place.
set -uo pipefail

[ $# -ge 1 ] || { sed -n '2,17p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
checkout=$(realpath "$1")
pattern=${2:-src/(broker|admin|producer|consumer|cluster)/}
[ -d "$checkout/node_modules/jest" ] ||
  { echo "npm install has not been run in $checkout" >&2; exit 2; }
work=$(mktemp -d)
pids=()
stop() {
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
  wait
  rm -rf "$work"
}
trap stop EXIT

listening() { (exec 3<>"/dev/tcp/localhost/$1") 2>/dev/null; }

start_cluster() {
  local servers=${SILLOK_SERVERS:?the folder of sillok-broker} id port
  mkdir -p "$work/coordinator"
  cat >"$work/coordinator.properties" <<PROPERTIES
myid=1
dataDir=$work/coordinator
grpc.listen=127.0.0.1:19501
clientPort=-1
server.1=127.0.0.1:19502;19501
PROPERTIES
  "$servers/sillok-coordinator" --config "$work/coordinator.properties" \
    >"$work/coordinator.log" 2>&1 &
  pids+=($!)
  for id in 0 1 2; do
    port=$((9092 + 3 * id))
    mkdir -p "$work/broker-$id"
    cat >"$work/broker-$id.properties" <<PROPERTIES
broker.id=$id
log.dirs=$work/broker-$id
listeners=GRPC://127.0.0.1:$((19510 + id)),PLAINTEXT://localhost:$port
http.listen=127.0.0.1:$((19520 + id))
coordinator.connect=127.0.0.1:19501
num.partitions=2
default.replication.factor=2
group.initial.rebalance.delay.ms=0
PROPERTIES
    "$servers/sillok-broker" --config "$work/broker-$id.properties" \
      >"$work/broker-$id.log" 2>&1 &
    pids+=($!)
  done
  for port in 9092 9095 9098; do
    for _ in $(seq 300); do
      listening $port && continue 2
      sleep 0.1
    done
    echo "nothing listens on $port; the end of the brokers' logs:" >&2
    tail -n 5 "$work"/*.log >&2
    exit 2
  done
}
listening 9092 || start_cluster

(cd "$checkout" && KAFKA_VERSION=2.4 NODE_ENV=test \
  KAFKAJS_DEBUG_PROTOCOL_BUFFERS=1 npx jest --runInBand --forceExit --json \
  --outputFile="$work/results.json" --testPathPattern "$pattern") \
  >"$work/jest.log" 2>&1

python3 - "$work/results.json" "$checkout" <<'PYTHON'
import json
import re
import sys

# What the message or the name of a failure says about what is missing.
MISSING = [
    ('TLS or SASL', r'909[34679]|9100|SASL|SSL|SCRAM|PLAIN'),
    ('ACLs', r'[Aa]cl'),
    ('transactions', r'[Tt]ransaction|Txn|GroupCoordinatorNotFound|control batch'),
    ('reassignment', r'[Rr]eassign'),
]


def reason(name, message):
  for what, pattern in MISSING:
    if re.search(pattern, name) or re.search(pattern, message):
      return what
  return None


results = json.load(open(sys.argv[1]))
other = 0
missing = 0
for file in results['testResults']:
  path = file['name'].replace(sys.argv[2] + '/', '')
  for test in file['assertionResults']:
    if test['status'] != 'failed':
      continue
    message = re.sub(r'\x1b\[[0-9;]*m', '', test['failureMessages'][0])
    name = path + ' ' + test['fullName']
    why = reason(name, message.split('    at ')[0])
    if why:
      missing += 1
    else:
      other += 1
    print('%s | %s | %s' % ('needs ' + why if why else 'FAILED', name,
                            message.splitlines()[0][:120]))
print('%d passed, %d need what is not there, %d failed, %d left out by the '
      'suite' % (results['numPassedTests'], missing, other,
                 results['numPendingTests']))
sys.exit(1 if other else 0)
PYTHON
