#!/bin/sh
# Checks the guests:
#   build     rebuilds everything elsewhere and compares with built/SHA256SUMS
#   accesses  compares mini-kvm's system-register accesses with those of Linux 4.10
#   qemu      runs everything under QEMU (10 or newer), an independent machine, bare at EL1 and EL2
# Without arguments: all three. What the machine lacks a tool for is skipped and said so; --strict makes that a failure.
set -u
cd "$(dirname "$0")" || exit 2
strict=0 failed=0 steps=
for argument; do
    case $argument in
    --strict) strict=1 ;;
    build | accesses | qemu) steps="$steps $argument" ;;
    *) echo "usage: check.sh [--strict] [build] [accesses] [qemu]" >&2; exit 2 ;;
    esac
done
: "${steps:=build accesses qemu}"
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

need() {
    command -v "$1" >/dev/null && return 0
    echo "check: $1 is not installed: $2 skipped"
    [ $strict = 0 ] || failed=1
    return 1
}

check_build() {
    need "${CROSS:-aarch64-linux-gnu-}gcc" build || return
    make -s BUILD="$work/build" OUT="$work/built" || { echo "check: build: FAILED"; failed=1; return; }
    if cmp -s "$work/built/SHA256SUMS" built/SHA256SUMS && (cd built && sha256sum -c --quiet SHA256SUMS); then
        echo "check: build: the committed files are what the sources give"
    else
        diff "$work/built/SHA256SUMS" built/SHA256SUMS
        echo "check: build: FAILED"
        failed=1
    fi
}

check_accesses() {
    need node accesses || return
    if node mini-kvm/accesses.mjs --check; then
        echo "check: accesses: as linux-4.10.txt lists them"
    else
        echo "check: accesses: FAILED"
        failed=1
    fi
}

# run NAME EXPECTED-LINES(file) QEMU-ARGUMENTS..: each expected line must occur
run() {
    name=$1 expected=$2
    shift 2
    timeout "${QEMU_TIMEOUT:-120}" qemu-system-aarch64 -nic none -nographic -m 256 "$@" </dev/null >"$work/log" 2>&1
    tr -d '\r' <"$work/log" >"$work/out"
    while IFS= read -r line; do
        if ! grep -q "$line" "$work/out"; then
            echo "check: $name: FAILED: no line like \"$line\""
            sed 's/^/    /' "$work/out"
            failed=1
            return
        fi
    done <"$expected"
    if grep -qE 'FAILED|panic|exception|unexpected interrupt' "$work/out"; then
        echo "check: $name: FAILED"
        sed 's/^/    /' "$work/out"
        failed=1
        return
    fi
    echo "check: $name: passed"
}

# expect_bench GIC CPUS
expect_bench() {
    echo "bench: GICv$1, $2 CPUs"
    for index in $(seq 0 $(($2 - 1))); do echo "bench: cpu $index: 3 timer interrupts"; done
    for check in wfi fp storm flood; do echo "bench: check $check: passed"; done
    for series in hypercall deviceIo virtualEoi; do echo "bench: $series: 64 operations"; done
    [ "$2" = 1 ] && echo "bench: virtualIpi: needs two CPUs" || echo "bench: virtualIpi: 64 operations"
    echo "^bench: done"
}

check_qemu() {
    need qemu-system-aarch64 qemu || return
    checks=checks=wfi,fp,storm,flood
    for gic in 2 3; do
        for el in 1 2; do
            for cpus in 1 2; do
                { expect_bench $gic $cpus; echo "started at EL$el"; } >"$work/expected"
                [ $el = 2 ] && on=on || on=off
                run "bench bare at EL$el, GICv$gic, $cpus CPUs" "$work/expected" \
                    -M virt,virtualization=$on,gic-version=$gic -cpu cortex-a57 -smp $cpus -kernel built/bench -append "$checks"
            done
        done
        for build in nvhe vhe; do
            [ $build = vhe ] && cpu=max mode=VHE || cpu=cortex-a57 mode=nVHE
            for cpus in 2 4; do
                { expect_bench $gic $cpus; echo "mini-kvm: $mode, GICv$gic"; echo "mini-kvm: VM off"; echo "^mini-kvm: done"; } >"$work/expected"
                run "mini-kvm $build, GICv$gic, $cpus vCPUs" "$work/expected" \
                    -M virt,virtualization=on,gic-version=$gic -cpu $cpu -smp $cpus -kernel built/mini-kvm-$build \
                    -initrd built/bench -append "vcpus=$cpus -- $checks"
            done
        done
    done
    echo '^races: done' >"$work/expected"
    run "races" "$work/expected" -M virt,virtualization=on,gic-version=3 -cpu cortex-a57 -smp 4 -kernel built/races
    # The nVHE build on a CPU that has VHE too, and what cannot work: one clear line, then off.
    { expect_bench 3 2; echo "mini-kvm: nVHE"; echo "^mini-kvm: done"; } >"$work/expected"
    run "mini-kvm nvhe, all features" "$work/expected" -M virt,virtualization=on,gic-version=3 -cpu max -smp 2 \
        -kernel built/mini-kvm-nvhe -initrd built/bench -append "vcpus=2 -- $checks"
    echo "mini-kvm: not started at EL2" >"$work/expected"
    run "mini-kvm at EL1" "$work/expected" -M virt -cpu cortex-a57 -kernel built/mini-kvm-nvhe -initrd built/bench
    echo "the CPU has no FEAT_VHE" >"$work/expected"
    run "mini-kvm vhe without VHE" "$work/expected" -M virt,virtualization=on -cpu cortex-a57 -kernel built/mini-kvm-vhe -initrd built/bench
    echo "mini-kvm: no VM" >"$work/expected"
    run "mini-kvm without a VM" "$work/expected" -M virt,virtualization=on -cpu cortex-a57 -kernel built/mini-kvm-nvhe
    echo "mini-kvm: vcpus=3, but 2 CPUs" >"$work/expected"
    run "mini-kvm with too few CPUs" "$work/expected" -M virt,virtualization=on -cpu cortex-a57 -smp 2 \
        -kernel built/mini-kvm-nvhe -initrd built/bench -append vcpus=3
}

for step in $steps; do check_"$step"; done
exit $failed
