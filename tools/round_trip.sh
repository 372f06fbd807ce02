#!/usr/bin/env bash
# Sends every line of a source tree through a topic of 6 partitions and 3
# replicas as a keyed record (key: the file's path), reads all of it back, and
# compares: the same records, byte for byte, in order for each key.
#
# usage: tools/round_trip.sh SILLOK CLUSTER_DIR SOURCE_TREE
set -euo pipefail
sillok=$1 cluster=$2 tree=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

SILLOK_BOOTSTRAP=$("$sillok" dev status --dir "$cluster" --json |
  python3 -c 'import json, sys
print(",".join(b["grpc"] for b in json.load(sys.stdin)["brokers"]))')
export SILLOK_BOOTSTRAP

# Lines as "path<TAB>number:text": a record for each, empty lines too.
python3 - "$tree" >"$work/sent" <<'EOT'
import os, sys

tree = sys.argv[1]
for folder, folders, files in os.walk(tree):
    folders[:] = sorted(f for f in folders
                        if not f.startswith((".", "bazel-")) and f != "golden")
    for name in sorted(files):
        path = os.path.join(folder, name)
        if os.path.islink(path) or not name.endswith(
                (".cc", ".h", ".proto", ".bazel", ".bzl", ".md", ".sh", ".py")):
            continue
        with open(path, "rb") as source:
            for number, line in enumerate(source.read().split(b"\n"), 1):
                key = os.path.relpath(path, tree).encode()
                sys.stdout.buffer.write(b"%s\t%d:%s\n" % (key, number, line))
EOT

topic=sources-$(date +%s)-$$
"$sillok" topic create "$topic" -p 6 -r 3 >/dev/null
"$sillok" produce "$topic" -f '%k\t%v\n' -z lz4 <"$work/sent" >/dev/null
"$sillok" consume "$topic" -o start -e -f '%k\t%v\n' >"$work/received"

# A stable sort by key keeps the order within a key.
LC_ALL=C sort -s -t "$(printf '\t')" -k1,1 "$work/sent" >"$work/sent.sorted"
LC_ALL=C sort -s -t "$(printf '\t')" -k1,1 "$work/received" \
  >"$work/received.sorted"
if ! cmp "$work/sent.sorted" "$work/received.sorted" >&2; then
  echo "sent $(wc -l <"$work/sent") records, received $(wc -l <"$work/received")" >&2
  exit 1
fi
echo "$(wc -l <"$work/received") records, $(cut -f1 "$work/sent" | uniq | wc -l) keys, $(wc -c <"$work/sent") bytes: read back equal, in order for each key"
