#!/usr/bin/env bash
# kvm-unit-tests for arm64 as they are, with QEMU= naming Nidus: scripts/kvm-unit-tests.sh FOLDER [options of its run_tests.sh]
# FOLDER is a clone of kvm-unit-tests; it is configured and built for arm64 with Debian's cross compiler. What passes: docs/qemu.md.
set -euo pipefail
[ $# -ge 1 ] && [ -e "$1/run_tests.sh" ] || { echo 'usage: scripts/kvm-unit-tests.sh FOLDER [-g GROUP] [TEST ...]' >&2; exit 2; }
nidus=$(cd "$(dirname "$0")/.." && pwd)
cd "$1"; shift
[ -e config.mak ] || ./configure --arch=arm64 --cross-prefix=aarch64-linux-gnu-
make -j"$(nproc)" >/dev/null
export PATH=$nidus/node_modules/.bin:$PATH NODE_NO_WARNINGS=1
export QEMU=$nidus/bin/nidus-qemu-system-aarch64.js ACCEL=tcg TIMEOUT=${TIMEOUT:-300s} MAX_SMP=${MAX_SMP:-4}
exec ./run_tests.sh "$@"
