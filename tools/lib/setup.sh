# Shared by tools/test, tools/demo and .ci/run; sourced, not run.
#
# Sets `root` (the project's folder) and `build_root` (where everything is built), and gives functions
# to say things, to install what is missing, and to configure and build.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build_root=${COFFER_BUILD_ROOT:-$root/build}
jobs=$(nproc 2>/dev/null || echo 2)

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Seconds since some moment, with a fraction.
now() { printf '%s' "$EPOCHREALTIME"; }
# elapsed BEGIN: seconds since `now` said BEGIN, with two decimals.
elapsed() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }'; }

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -n "$@" 2>/dev/null || sudo "$@"
  else
    fail "must run '$*' as root and there is no sudo; run it yourself and start again"
  fi
}

packages_to_build=(g++ meson ninja-build pkg-config libsodium-dev libboost-dev libmsgsl-dev
  libfmt-dev libzstd-dev libcli11-dev nlohmann-json3-dev)
packages_to_test=(catch2 liblmdb-dev lmdb-utils db-util clang libclang-rt-14-dev clang-format
  clang-tidy)
# File systems that the campaign cuts the power of.
packages_to_campaign=(e2fsprogs xfsprogs)
# llvm-profdata and llvm-cov, of the version of clang++.
packages_to_coverage=(llvm-14)
packages_to_demo=(unicode-data iso-codes)

package_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# install_missing PACKAGE...: installs those that are not there, and says so in one line.
install_missing() {
  command -v dpkg-query >/dev/null ||
    fail "this is no Debian; install the equivalents of: $*"
  local missing=() package
  for package in "$@"; do
    package_installed "$package" || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0
  say "installing: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
    as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq -y --no-install-recommends install "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "could not install ${missing[*]}; install them yourself and start again"
  fi
  rm -f "$log"
}

# compiler NAME: NAME, through ccache when that is there.
compiler() {
  if command -v ccache >/dev/null; then printf 'ccache %s' "$1"; else printf '%s' "$1"; fi
}

# configure NAME COMPILER MESON_ARGUMENT...: sets up $build_root/NAME unless it is set up already with
# the same words.
configure() {
  local directory=$build_root/$1 cxx=$2
  shift 2
  local words="$cxx $*"
  if [ "$(cat "$directory/.configured" 2>/dev/null)" = "$words" ]; then return 0; fi
  rm -rf "$directory"
  CXX=$(compiler "$cxx") meson setup "$directory" "$root" "$@" || return 1
  printf '%s\n' "$words" >"$directory/.configured"
}
