#!/usr/bin/env bash
# Measures Sillok's coordinators and Debian's ZooKeeper side by side: three
# members each, the same load through the same protocol, the same disk, the same
# minutes. Prints a Markdown table of both, their ratio and Sillok's targets.
#
# usage: test/bench/zookeeper.sh [options]
#   --quick          a tenth of the operations, once: a minute, and rough
#   --only PEER      sillok or zookeeper
#   --shapes LIST    sessions x outstanding: 1x1,1x16,1x256,16x16 (all)
#   --kinds LIST     create,set,get (all); set and get need create
#   --reps N         repetitions; medians are shown (3)
#   --failovers N    times that a leader is killed (5)
#   --znodes N       how many to fill memory with (200,000); 1000000 for the
#                    target's; 0 = leave it out
#   --values KIND    what these hold: same (one letter), text, random (text)
#   --cold           no unrecorded first round (Java needs it to be at speed)
#   --set K=V        setting of Sillok's members; may be repeated
#   --json FILE      every single measurement
#   --work DIR       where data goes; must be on the disk to be measured (a new
#                    folder in /var/tmp, removed afterwards)
#   --bin DIR        a bazel-bin with what is needed in it; else it is built
#
# Both run with their defaults, that is with every write synced to disk before it
# is answered. Take rates only as far as the machine is otherwise idle; CPU per
# operation is robust.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../tools/common.sh"

work= bin= only= quick=
pass=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help)
      sed -n '2,29s/^# \{0,1\}//p' "$0"
      exit 0
      ;;
    --quick) quick=yes ;;
    --cold) pass+=("$1") ;;
    --work | --bin | --only | --shapes | --kinds | --reps | --failovers | \
      --znodes | --values | --json | --set)
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
case $only in '' | sillok | zookeeper) ;; *) fail "--only sillok or zookeeper" ;; esac
[ -z "$quick" ] || pass=(--scale 0.1 --reps 1 --failovers 1 --znodes 20000
  "${pass[@]}")

if [ "$only" != sillok ] && ! { [ -r /usr/share/java/zookeeper.jar ] &&
  command -v java >/dev/null; }; then
  [ "$only" != zookeeper ] || fail "Debian's zookeeper or Java is missing" \
    "apt-get install zookeeper default-jre-headless"
  say "Debian's zookeeper or Java is missing: Sillok alone, without ratios"
  only=sillok
fi
if [ -z "$bin" ]; then
  say "building the coordinator and the load generator"
  run_bazel build //coordinator:sillok-coordinator //tools:sillok ||
    fail "the build failed"
  bin=$SILLOK_ROOT/bazel-bin
fi
if [ -z "$work" ]; then
  work=$(mktemp -d /var/tmp/sillok-bench.XXXXXX)
  trap 'rm -rf "$work"' EXIT
fi
mkdir -p "$work"
python3 "$here/zookeeper/compare.py" --bin "$bin" --work "$(realpath "$work")" \
  ${only:+--only "$only"} "${pass[@]}"
