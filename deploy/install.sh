#!/usr/bin/env bash
# What run.sh and test.sh need before they can build: the Swift toolchain, Debian packages, free ports. Sourced, never run by itself.
#
# A check that fails prints one message (what is wrong, what to do) and ends the script with status 1. Nothing is installed that is there already,
# so a second run costs milliseconds.

fail() {
  printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# need_swift: a Swift toolchain of version 6.3 or later is on the PATH.
need_swift() {
  local version
  command -v swift >/dev/null 2>&1 ||
    fail "the Swift toolchain is missing. Install Swift 6.3 or later from https://www.swift.org/install/linux and put 'swift' on the PATH."
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
  [ -n "$version" ] || fail "'swift --version' does not work: $(swift --version 2>&1 | tail -n 1). Install the toolchain again."
  [ "$(printf '6.3\n%s\n' "$version" | sort -V | head -n 1)" = 6.3 ] ||
    fail "Swift $version is too old. Install Swift 6.3 or later from https://www.swift.org/install/linux."
}

# need_packages NAME…: the Debian packages are installed; those that are missing are installed now.
need_packages() {
  local name missing=() log=/dev/null as_root=()
  command -v dpkg-query >/dev/null 2>&1 || fail "this system has no Debian packages. Install yourself what these hold, then set MANTA_SKIP_INSTALL=1: $*"
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'ok installed' || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "==> Installing ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || fail "these packages are missing and there is no sudo. As root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  log=$(mktemp)
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}")
  # Fresh package lists are fetched only when the ones at hand do not do.
  if ! "${install[@]}" >"$log" 2>&1; then
    if ! { "${as_root[@]}" apt-get update && "${install[@]}"; } >"$log" 2>&1; then
      fail "could not install ${missing[*]}: $(grep -E '^(E|Err|sudo):' "$log" | tail -n 1). The whole output is in $log."
    fi
  fi
  rm -f "$log"
}

# owner_of_port PORT: the process that listens on the TCP port, as "pid 123 (name)"; nothing when the port is free.
owner_of_port() {
  local inode pid
  inode=$(awk -v port="$(printf ':%04X' "$1")" '$4 == "0A" && substr($2, length($2) - 4) == port { print $10; exit }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  [ -n "$inode" ] || return 0
  pid=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" 2>/dev/null | head -n 1 | cut -d/ -f3 || true)
  if [ -n "$pid" ]; then echo "pid $pid ($(tr -d '\0' <"/proc/$pid/comm" 2>/dev/null || echo unknown))"; else echo "a process of another user"; fi
}

# need_port PORT VARIABLE: nobody listens on the port; VARIABLE is what to set to use another one.
need_port() {
  local owner
  owner=$(owner_of_port "$1")
  [ -z "$owner" ] || fail "port $1 is in use by $owner. End that process, or set $2 to another port."
}
