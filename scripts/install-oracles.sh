#!/usr/bin/env bash
# Installs what the slower suites need on a Debian machine: the cross compiler, dtc, gdb-multiarch, Chromium, and QEMU 10 or newer (user and system).
# Debian 12's own QEMU is 7.2: the newer one comes from its backports, whose source line is derived from the system's own.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive

major() { "$1" --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p'; }
is_complete() {
  command -v aarch64-linux-gnu-gcc >/dev/null && command -v dtc >/dev/null && command -v make >/dev/null && command -v gdb-multiarch >/dev/null && command -v chromium >/dev/null &&
    [ "$(major qemu-aarch64)" -ge 10 ] 2>/dev/null && [ "$(major qemu-system-aarch64)" -ge 10 ] 2>/dev/null
}
is_complete && exit 0
[ "$(id -u)" = 0 ] || { echo 'install-oracles: run as root' >&2; exit 2; }

. /etc/os-release
release=() list=/etc/apt/sources.list.d/nidus-backports.sources
if [ "${VERSION_CODENAME:-}" = bookworm ]; then
  release=(-t bookworm-backports)
  if ! grep -rqs 'bookworm-backports' /etc/apt/sources.list /etc/apt/sources.list.d; then
    uri=$(sed -n 's/^URIs: *\([^ ]*debian\)\/\{0,1\} *$/\1/p' /etc/apt/sources.list.d/debian.sources | head -1)
    key=$(sed -n 's/^Signed-By: *//p' /etc/apt/sources.list.d/debian.sources | head -1)
    [ -n "$uri" ] || { echo 'install-oracles: no Debian source found to derive backports from' >&2; exit 2; }
    printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\n%s\n' "$uri" "${key:+Signed-By: $key}" > "$list"
  fi
fi
apt-get update -qq
apt-get install -qq -y --no-install-recommends gcc-aarch64-linux-gnu binutils-aarch64-linux-gnu device-tree-compiler make gdb-multiarch chromium >/dev/null
apt-get install -qq -y --no-install-recommends ${release[@]+"${release[@]}"} qemu-user qemu-system-arm >/dev/null
is_complete
