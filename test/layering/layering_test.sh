#!/usr/bin/env bash
# Asks Bazel's dependency graph whether the layers of docs/architecture.md hold:
# cores reach no thread, clock, network or store, and no room reaches up.
set -uo pipefail

root=$(dirname "$(realpath "$TEST_SRCDIR/$TEST_WORKSPACE/WORKSPACE")")
work=$TEST_TMPDIR/bazel
ask_bazel() {
  (cd "$root" && HOME=$TEST_TMPDIR bazel --output_user_root="$work/user" \
    --output_base="$work/base" --max_idle_secs=60 "$@" 2>"$work.log")
}
query() { ask_bazel query --noshow_progress --keep_going "$1"; }
trap 'ask_bazel shutdown' EXIT
failures=0

# no_path FROM TO WHY: FROM and TO are query expressions.
no_path() {
  local path
  path=$(query "somepath($1, $2)")
  local code=$?
  if [ $code != 0 ]; then
    echo "query failed: $1 -> $2"
    cat "$work.log"
    failures=$((failures + 1))
  elif [ -n "$path" ]; then
    echo "NOT ALLOWED ($3):"
    echo "$path" | sed 's/^/  /'
    failures=$((failures + 1))
  fi
}

# Room by room: //... would walk into Bazel's own links in the checkout.
rooms='(//base/... + //proto/... + //broker/... + //coordinator/... + //client/... + //tools/...)'
cores="attr(tags, '\bcore\b', $rooms)"
count=$(query "$cores" | wc -l)
if [ "$count" -lt 20 ]; then
  echo "only $count targets are tagged as cores"
  cat "$work.log"
  exit 1
fi
effects='set(//bazel/deps:grpc //bazel/deps:rocksdb //bazel/deps:httplib
  //bazel/deps:prometheus //base:strand //base:real_clock //base:process)'
no_path "$cores" "$effects" "a core is pure"

# Rooms that are cores as a whole.
untagged=$(query "kind(cc_library, //coordinator/zab/... + //coordinator/tree/...)
  except $cores")
if [ -n "$untagged" ]; then
  echo "not tagged as cores: $untagged"
  failures=$((failures + 1))
fi

# A tested rule is one that can fail: the shells do reach what cores must not.
if [ -z "$(query "somepath(//coordinator/server/..., //bazel/deps:grpc)")" ]; then
  echo "the query finds no path where there is one"
  failures=$((failures + 1))
fi

servers='//broker/... + //coordinator/... + //client/... + //tools/...'
no_path '//base/... + //proto/...' "$servers" "base and proto are below"
no_path '//coordinator/...' '//broker/... + //client/... + //tools/...' \
  "the coordinator knows no broker"
no_path '//broker/...' '//coordinator/... except //coordinator/client/...' \
  "the broker knows only the coordinator's client"
no_path '//broker/...' '//client/... + //tools/...' "the broker is no client"
no_path '//client/...' '//broker/... + //coordinator/... + //tools/...' \
  "the client library knows the protocol only"
no_path '//tools/...' \
  '(//broker/... except //broker/log/...) + //coordinator:all + //coordinator/server/...' \
  "tools are clients, or work on the files of what does not run"
no_path '//coordinator/zab/... + //coordinator/tree/... + //coordinator/store/...' \
  '//coordinator/server/... + //coordinator/client/...' "one way down"
no_path '//broker/log/...' \
  '//broker/replication/... + //broker/journal/... + //broker/group/... + //broker/controller/... + //broker/metadata/... + //broker/api/... + //broker/grpc/...' \
  "the log is at the bottom"
no_path '//broker/replication/...' \
  '//broker/journal/... + //broker/group/... + //broker/controller/... + //broker/api/... + //broker/grpc/...' \
  "replication stands on the log"
no_path '//broker/journal/... + //broker/group/...' \
  '//broker/controller/... + //broker/api/... + //broker/grpc/...' \
  "groups stand on the journal"
no_path '//broker/journal/...' '//broker/group/...' "the journal knows no group"
no_path '//broker/metadata/... + //broker/controller/...' \
  '//broker/replication/... + //broker/group/... + //broker/api/... + //broker/grpc/...' \
  "the controller decides from metadata alone"
no_path '//broker/api/...' '//broker/grpc/...' "handlers know no door"

if [ $failures != 0 ]; then
  echo "$failures rules are broken"
  exit 1
fi
echo "$count cores are pure; no room reaches up"
