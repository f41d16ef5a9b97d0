#!/bin/sh
# Builds the yard's programs with Debian's aarch64-linux-gnu-gcc. yard.bin is an arm64 Image, linux is /init of an initramfs.
# build.sh hosted [ROW [ROUNDS]]: also yard.hosted, the same as a Linux program, for qemu-aarch64.
set -e
cd "$(dirname "$0")"
flags="-O2 -ffreestanding -nostdlib -static -fno-pic -fno-builtin -fno-tree-loop-distribute-patterns -fno-stack-protector -fno-asynchronous-unwind-tables"
aarch64-linux-gnu-gcc $flags -mgeneral-regs-only -mcmodel=small -c mix.c -o mix.o
aarch64-linux-gnu-gcc $flags -ffp-contract=off -c yard.c -o yard.o
aarch64-linux-gnu-gcc $flags -DROW=0 -DROUNDS=50 -c start.S -o start.o
aarch64-linux-gnu-ld -T yard.ld --build-id=none --no-warn-rwx-segments -o yard.elf start.o mix.o yard.o
aarch64-linux-gnu-objcopy -O binary yard.elf yard.bin
aarch64-linux-gnu-gcc $flags -mgeneral-regs-only -Wl,--build-id=none -s -o linux linux.c
chmod -x yard.bin
rm -f mix.o yard.o start.o yard.elf
if [ "$1" = hosted ]; then
  aarch64-linux-gnu-gcc $flags -ffp-contract=off -DHOSTED -DROW="${2:-0}" -DROUNDS="${3:-50}" start.S mix.c yard.c -o yard.hosted
fi
