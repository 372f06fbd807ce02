#!/usr/bin/env bash
# kazoo's own tests, as Debian ships them, against servers of ours: a table.
#
# usage: kazoo_suite.sh [own|debian] [PYTEST ARGUMENTS]
#
#   own      sillok-coordinator (SILLOK_COORDINATOR=path; default: on the PATH)
#   debian   the control: Debian's ZooKeeper
#
# The tests start and stop three servers themselves, by a program named `java`
# with a zoo.cfg as its last argument; the one they find first in PATH is this
# script's. A test that fails is run once more by itself, and counts as passed
# if it passes then (the table says how many did). KNOWN=file names tests that
# may fail, one a line (module::Class::test, then the reason), and with "-" before
# the name tests that are left out; the exit code is 0 when no other failed.
# LOGS=folder keeps what was said.
set -uo pipefail

case ${1:-} in
  -h | --help) sed -n '2,17p' "$0" | sed 's/^# \{0,1\}//'; exit 0 ;;
esac
which=${1:-own}
[ $# = 0 ] || shift
work=$(mktemp -d)
logs=${LOGS:-$work}
mkdir -p "$logs" "$work/bin"
python=/usr/bin/python3
tests=/usr/lib/python3/dist-packages/kazoo/tests

for module in kazoo pytest mock objgraph; do
  "$python" -c "import $module" 2>/dev/null || {
    echo "SKIPPED: Debian's package python3-$module is not installed"
    exit 0
  }
done

# What `java` does: the arguments are those of the harness.
cat >"$work/bin/java" <<EOF
#!/usr/bin/env bash
echo \$\$ >>"$work/pids"
settings=()
for word; do
  case \$word in
    -Dzookeeper.DigestAuthenticationProvider.superDigest=*)
      settings+=(--set "\${word#-Dzookeeper.}") ;;
    -Dreadonlymode.enabled=*) settings+=(--set "\${word#-D}") ;;
  esac
done
EOF
case $which in
  own)
    coordinator=$(realpath "$(command -v \
      "${SILLOK_COORDINATOR:-sillok-coordinator}")") || {
      echo "no sillok-coordinator: SILLOK_COORDINATOR says where" >&2
      exit 2
    }
    cat >>"$work/bin/java" <<EOF
exec "$coordinator" --zoo-cfg "\$word" --set grpc.listen=127.0.0.1:0 \
  --set admin.listen=127.0.0.1:0 "\${settings[@]}" >>"$logs/servers.log" 2>&1
EOF
    ;;
  debian)
    [ -r /usr/share/java/zookeeper.jar ] || {
      echo "SKIPPED: Debian's package zookeeper is not installed"
      exit 0
    }
    cat >>"$work/bin/java" <<EOF
echo clientPortAddress=127.0.0.1 >>"\$word"
args=()
skip=
for one; do
  [ -z "\$skip" ] || { skip=; continue; }
  case \$one in
    -cp) skip=yes ;;
    *) args+=("\$one") ;;
  esac
done
exec /usr/bin/java -Xmx256m -Dzookeeper.jmx.log4j.disable=true \
  -cp /usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar \
  "\${args[@]}" >>"$logs/servers.log" 2>&1
EOF
    ;;
  *) echo "own or debian, not '$which'" >&2; exit 2 ;;
esac
chmod +x "$work/bin/java"

finish() {
  # Servers that the tests left behind.
  if [ -e "$work/pids" ]; then
    while read -r pid; do
      [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$work" ] &&
        kill -KILL "$pid"
    done <"$work/pids" 2>/dev/null
  fi
  rm -rf "$work"
}
trap finish EXIT

# Thirty ports in a row that nobody has now.
offset=$("$python" - <<'EOF'
import random, socket
while True:
    base = random.randrange(21000, 31000, 50)
    sockets = []
    try:
        for port in range(base, base + 30):
            one = socket.socket()
            sockets.append(one)
            one.bind(("127.0.0.1", port))
    except OSError:
        continue
    finally:
        for one in sockets:
            one.close()
    print(base)
    break
EOF
)

# pytest RESULT ARGUMENTS...
run_tests() {
  local result=$1
  shift
  (cd "$work" && env PATH="$work/bin:$PATH" ZOOKEEPER_VERSION=3.8.0 \
    ZOOKEEPER_CLASSPATH=unused ZOOKEEPER_PORT_OFFSET="$offset" \
    PYTHONDONTWRITEBYTECODE=1 TMPDIR="$work" \
    timeout -k 5 400 "$python" -m pytest -p no:cacheprovider -v \
    -o faulthandler_timeout=60 --junitxml="$result" "$@")
}

# By keyword: pytest names a test by its path from wherever it was started.
left_out=()
while read -r name _; do
  case $name in
    -*) left_out=(-k "${left_out[1]:+${left_out[1]} and }not ${name##*::}") ;;
  esac
done <"${KNOWN:-/dev/null}"
run_tests "$logs/first.xml" "$tests" \
  --ignore="$tests/test_gevent_handler.py" \
  --ignore="$tests/test_eventlet_handler.py" \
  --ignore="$tests/test_sasl.py" "${left_out[@]}" "$@" >"$logs/first.log" 2>&1

# A test that hangs leaves no result.
[ -s "$logs/first.xml" ] || { tail -60 "$logs/first.log"; exit 1; }

list=$logs/failed.txt
"$python" - "$logs/first.xml" >"$list" <<'EOF'
import sys, xml.etree.ElementTree as tree
for case in tree.parse(sys.argv[1]).iter("testcase"):
    if case.find("failure") is not None or case.find("error") is not None:
        words = case.get("classname").split(".")
        at = max(i for i, w in enumerate(words) if w.startswith("test_"))
        print("::".join([words[at] + ".py"] + words[at + 1:] +
                        [case.get("name")]))
EOF
number=0
while read -r test; do
  number=$((number + 1))
  run_tests "$logs/again-$number.xml" "$tests/$test" \
    >"$logs/again-$number.log" 2>&1 && echo "$test" >>"$logs/second.txt"
done <"$list"
touch "$logs/second.txt"

"$python" - "$logs" "${KNOWN:-/dev/null}" <<'EOF'
import collections, sys, xml.etree.ElementTree as tree
logs, known_file = sys.argv[1:]
known = {}
for line in open(known_file):
    if line.strip() and not line.startswith("#"):
        name, _, reason = line.strip().partition(" ")
        known[name] = reason.strip()
second = set(open(logs + "/second.txt").read().split())
files = collections.OrderedDict()
bad, unexpected = [], 0
for case in tree.parse(logs + "/first.xml").iter("testcase"):
    words = case.get("classname").split(".")
    at = max(i for i, w in enumerate(words) if w.startswith("test_"))
    row = files.setdefault(words[at], collections.Counter())
    name = "::".join([words[at] + ".py"] + words[at + 1:] + [case.get("name")])
    problem = case.find("failure")
    if problem is None:
        problem = case.find("error")
    row["seconds"] += float(case.get("time"))
    if case.find("skipped") is not None:
        row["skipped"] += 1
    elif problem is None:
        row["passed"] += 1
    elif name in second:
        row["passed"] += 1
        row["second"] += 1
    else:
        row["failed"] += 1
        unexpected += name not in known
        why = known.get(name) or (problem.get("message") or "").split("\n")[0]
        bad.append("%s: %s%s" % ("known" if name in known else "FAILED", name,
                                 ": " + why[:150]))
print("| file | passed | failed | skipped | at the second try | seconds |")
print("|---|---|---|---|---|---|")
total = collections.Counter()
for name, row in files.items():
    total.update(row)
    print("| %s | %d | %d | %d | %d | %.0f |" % (
        name, row["passed"], row["failed"], row["skipped"], row["second"],
        row["seconds"]))
print("| all | %d | %d | %d | %d | %.0f |" % (
    total["passed"], total["failed"], total["skipped"], total["second"],
    total["seconds"]))
print("\n".join(bad + ["left out: %s: %s" % (name[1:], why)
                       for name, why in known.items() if name[0] == "-"]))
sys.exit(1 if unexpected or not total["passed"] else 0)
EOF
