#!/usr/bin/env bash
# Measures Sillok and Apache Kafka 3.9.1 side by side: the same client
# (librdkafka), the same disk, the same minutes. Prints a Markdown table of both,
# their ratio and Sillok's targets.
#
# usage: test/bench/kafka.sh [options]
#   --quick          a tenth of the records, once: minutes, and rough
#   --only PEER      sillok or kafka
#   --rf LIST        replication factors, each a cluster of that size (1,3)
#   --cases LIST     p100,c100,p1k,c1k,p64k,c64k,plz4,l1k,l20k (all); a case
#                    that consumes (c...) needs the one that produces
#   --reps N         repetitions; medians are shown (3)
#   --cold           no unrecorded first round (Java needs it to be at speed)
#   --json FILE      every single measurement
#   --work DIR       where data and Kafka's jars go; must be on the disk to be
#                    measured (a new folder in /var/tmp, removed afterwards)
#   --bin DIR        a bazel-bin with what is needed in it; else it is built
#   --broker-set K=V setting of Sillok's brokers; may be repeated
#   --no-ballast     do not fill the page cache first
#   --no-namespace   stay in this network namespace
#
# Kafka comes from Maven Central (mvn and Java 17 are needed); where that does
# not work Sillok is measured alone, and the output says so. As root the
# servers run in a network namespace of their own with TCP's reno: BBR, the
# default of some machines, costs both 2 to 5 times the CPU on loopback.
# Take MB/s only as far as the machine is otherwise idle; CPU per GB is robust.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../tools/common.sh"

work= bin= only= namespace=yes quick=
pass=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      sed -n '2,31s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    --quick) quick=yes ;;
    --no-namespace) namespace= ;;
    --cold | --no-ballast) pass+=("$1") ;;
    --work | --bin | --only | --rf | --cases | --reps | --json | --broker-set)
      [ $# -ge 2 ] || fail "$1 wants a value" "--help shows all options"
      case $1 in
        --work) work=$2 ;;
        --bin) bin=$(realpath "$2") ;;
        --json) pass+=("$1" "$(realpath -m "$2")") ;;
        --only) only=$2 ;;
        *) pass+=("$1" "$2") ;;
      esac
      shift
      ;;
    *) fail "unknown argument '$1'" "--help shows all options" ;;
  esac
  shift
done
case $only in '' | sillok | kafka) ;; *) fail "--only sillok or kafka" ;; esac
[ -z "$quick" ] || pass=(--scale 0.1 --reps 1 "${pass[@]}")

if [ -z "$bin" ]; then
  say "building the servers and the load generator"
  run_bazel build //coordinator:sillok-coordinator //broker:sillok-broker \
    //tools:sillok //test/bench/kafka:kafka_load \
    //test/bench/kafka:machine_floor || fail "the build failed"
  bin=$SILLOK_ROOT/bazel-bin
fi

if [ -z "$work" ]; then
  work=$(mktemp -d /var/tmp/sillok-bench.XXXXXX)
  trap 'rm -rf "$work"' EXIT
fi
mkdir -p "$work"
work=$(realpath "$work")

jars=$work/kafka-3.9.1
if [ "$only" != sillok ] && [ ! -e "$jars/complete" ]; then
  say "fetching Apache Kafka 3.9.1 from Maven Central"
  if command -v java >/dev/null && command -v mvn >/dev/null &&
    mvn -q -B -f "$here/kafka/pom.xml" dependency:copy-dependencies \
      -DoutputDirectory="$jars" </dev/null >"$work/mvn.log" 2>&1; then
    touch "$jars/complete"
  elif [ "$only" = kafka ]; then
    fail "Kafka cannot be fetched" "what mvn said: $work/mvn.log"
  else
    say "Kafka cannot be fetched: measuring Sillok alone, without ratios"
    only=sillok
  fi
fi

run=(python3 "$here/kafka/matrix.py" --bin "$bin" --jars "$jars" --work "$work"
  ${only:+--only "$only"} "${pass[@]}")
if [ -n "$namespace" ] && [ "$(id -u)" = 0 ] &&
  unshare -n ip link set lo up 2>/dev/null; then
  unshare -n sh -c 'ip link set lo up
sysctl -qw net.ipv4.tcp_congestion_control=reno || true
exec "$@"' sh "${run[@]}"
else
  say "in this network namespace: $(
    cat /proc/sys/net/ipv4/tcp_congestion_control) for whoever does not choose"
  "${run[@]}"
fi
