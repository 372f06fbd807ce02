# What tools/up and tools/test share: sourced, not run.

SILLOK_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\n==> %s\n' "$*" >&2; }
fail() {
  printf '\nsillok: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}

# Runs a command as root: as it is, or through sudo.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "packages are missing and this is neither root nor has sudo" \
      "run as root: apt-get install -y ${missing[*]}"
  fi
}

# Installs the packages of tools/packages.txt that are not there, and those that
# are named.
install_packages() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    fail "this is no Debian machine (no apt-get)" \
      "Debian 12 is what Sillok builds on; docs/build.md lists what it needs"
  missing=()
  local package
  while read -r package; do
    case "$package" in '' | '#'*) continue ;; esac
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null |
      grep -qx installed || missing+=("$package")
  done < <(cat "$SILLOK_ROOT/tools/packages.txt" && printf '%s\n' "$@")
  if [ ${#missing[@]} = 0 ]; then
    say "packages: all there"
    return
  fi
  say "packages: installing ${#missing[@]} from Debian: ${missing[*]}"
  # Packages with a service (prometheus, for its promtool) must not start it.
  local policy=/usr/sbin/policy-rc.d made_policy=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
    made_policy=yes
  fi
  local log
  log=$(mktemp)
  if ! { as_root apt-get update -q &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
      --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    [ -z "$made_policy" ] || as_root rm -f "$policy"
    fail "apt-get failed; the whole of what it said is in $log" \
      "see that this machine reaches a Debian 12 mirror, then run this again"
  fi
  [ -z "$made_policy" ] || as_root rm -f "$policy"
  rm -f "$log"
}

# The same with what only tests need.
install_test_packages() {
  local packages
  mapfile -t packages <"$SILLOK_ROOT/tools/test-packages.txt"
  # Debian's npm cannot stand beside the nodejs of others, which brings its own.
  command -v node >/dev/null || packages+=(nodejs)
  command -v npm >/dev/null || packages+=(npm)
  install_packages "${packages[@]}"
}

# Bazel with the caches that make a second run short.
run_bazel() {
  local command=$1
  shift
  (cd "$SILLOK_ROOT" && bazel "$command" \
    --disk_cache="${XDG_CACHE_HOME:-$HOME/.cache}/sillok/bazel" \
    --show_progress_rate_limit=10 "$@")
}
