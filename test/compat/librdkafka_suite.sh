#!/usr/bin/env bash
# librdkafka's own tests against a cluster of ours, as a table.
#
# usage: librdkafka_suite.sh [--limit SECONDS] TESTS [BOOTSTRAP [NUMBER...]]
#
#   TESTS      the tests folder of a librdkafka source tree in which its
#              test-runner has been built
#   BOOTSTRAP  host:port,... of a cluster; without one, or with "own", three
#              brokers are started with the settings the tests expect (sillok on
#              the PATH, or SILLOK=path of the command)
#   NUMBER     0001 0002 ...; without any, all that a plain broker can answer
#
# Each test runs by itself, 300 s at most unless --limit says otherwise, and
# prints a line: number, result, seconds, and the reason where it did not pass. A
# test's output stays in LOGS (environment; default: a new temporary folder).
# KAFKA_PATH=folder of a binary Apache Kafka lets those run that call its command
# line tools; SUBTESTS=part of a name runs only such parts of a test. Ends with 0
# if every test passed or is left out with its reason.
set -uo pipefail

# Left out, and why.
needs_sasl='0097 0126 0135 0142'
needs_acls='0115 0119'
needs_transactions='0098 0103 0129'
needs_nothing='0000 0004 0006 0009 0025 0037 0043 0046 0058 0062 0066 0072 0074
  0078 0080 0095 0100 0104 0105 0106 0116 0117 0120 0121 0124 0128 0131 0133
  0134 0136 0138 0143 0144 0145 0146 0147 0148 0149 0151 0152 0153'
known_issue='0028 0047 0079 0092'
needs_follower_fetch='0101'
plain='0001 0002 0003 0005 0007 0008 0011 0012 0013 0014 0015 0016 0017 0018
  0019 0020 0021 0022 0026 0029 0030 0031 0033 0034 0036 0038 0039 0040 0041
  0042 0044 0045 0048 0049 0050 0051 0052 0053 0054 0055 0056 0057 0059 0060
  0061 0063 0064 0065 0067 0068 0069 0070 0073 0075 0076 0077 0081 0082 0083
  0084 0085 0086 0088 0089 0090 0091 0093 0094 0099 0102 0107 0109 0110 0111
  0112 0113 0114 0118 0122 0123 0125 0127 0130 0132 0137 0140'

limit=300
if [ "${1:-}" = --limit ]; then
  [[ ${2:-} =~ ^[1-9][0-9]*$ ]] ||
    { echo "--limit wants a number of seconds" >&2; exit 2; }
  limit=$2
  shift 2
fi
[ $# -ge 1 ] || { sed -n '2,19p' "$0" | sed 's/^# \{0,1\}//'; exit 2; }
tests=$(realpath "$1")
bootstrap=${2:-own}
[ $# -ge 2 ] && shift 2 || shift
[ -x "$tests/test-runner" ] ||
  { echo "$tests/test-runner is not there: build the tests first" >&2; exit 2; }
logs=${LOGS:-$(mktemp -d)}
mkdir -p "$logs"

if [ "$bootstrap" = own ]; then
  sillok=${SILLOK:-sillok}
  cluster=$(mktemp -d)/cluster
  trap '"$sillok" dev down --dir "$cluster" >/dev/null' EXIT
  "$sillok" dev up --dir "$cluster" --base-port 0 --json \
    --broker-set num.partitions=4 --broker-set min.insync.replicas=1 \
    --broker-set group.initial.rebalance.delay.ms=3000 >"$logs/cluster.json" ||
    exit 2
  bootstrap=$(python3 -c 'import json, sys
print(",".join(b["kafka"] for b in json.load(sys.stdin)["brokers"]))' \
    <"$logs/cluster.json") || exit 2
fi
printf 'bootstrap.servers=%s\n' "$bootstrap" >"$logs/test.conf"

# reason NUMBER: why it is left out; nothing = it is not.
reason() {
  case " ${needs_sasl//$'\n'/ } " in *" $1 "*) echo "needs SASL"; return ;; esac
  case " $needs_acls " in *" $1 "*) echo "needs ACLs"; return ;; esac
  case " $needs_transactions " in
    *" $1 "*) echo "needs transactions"; return ;;
  esac
  case " $known_issue " in
    *" $1 "*) echo "known to fail, says librdkafka"; return ;;
  esac
  case " $needs_follower_fetch " in
    *" $1 "*) echo "needs racks and a replica selector"; return ;;
  esac
  [[ ! " $needs_nothing " =~ [[:space:]]$1[[:space:]] ]] ||
    echo "asks no broker"
}

failures=0
# run NUMBER: one line of the table.
run() {
  local log=$logs/$1.log code started=$SECONDS why result
  { (cd "$tests" && RDKAFKA_TEST_CONF="$logs/test.conf" TESTS=$1 \
    BROKERS=$bootstrap TEST_KAFKA_VERSION=3.9.1 \
    LD_LIBRARY_PATH="$tests/../src:$tests/../src-cpp" \
    timeout -k 5 "$limit" ./test-runner -p1 -K -L) >"$log" 2>&1; } 2>/dev/null
  code=$?
  sed -i 's/\x1b\[[0-9;]*m//g' "$log"
  why=$(awk '/^### Test "/ { getline; print; exit }' "$log" | cut -c1-140)
  if [ "$code" = 0 ] && grep -Eq "^\| $1_.* PASSED \|" "$log"; then
    result=passed
    why=
  elif [ "$code" = 0 ]; then
    result='left out'
    why=$(grep -m1 'SKIPPING' "$log" | sed 's/^\[[^]]*\] *//' | cut -c1-140)
    : "${why:=by the suite: another scenario, or a test it has not}"
  else
    result=FAILED
    failures=$((failures + 1))
    : "${why:=ended with code $code}"
  fi
  printf '%s | %-8s | %4d s | %s\n' "$1" "$result" $((SECONDS - started)) "$why"
}

echo "logs are in $logs" >&2
if [ $# -gt 0 ]; then
  for number in "$@"; do run "$number"; done
else
  for number in $plain; do run "$number"; done
  for number in $needs_sasl $needs_acls $needs_transactions $needs_follower_fetch \
    $known_issue $needs_nothing; do
    printf '%s | left out |    - s | %s\n' "$number" "$(reason "$number")"
  done | sort
fi
echo "$failures failed"
[ "$failures" = 0 ]
