#!/bin/sh
# Builds the yard's programs with Debian's aarch64-linux-gnu-gcc. mix.bin is a flat image to be loaded at a page; .bss follows it.
# build.sh hosted [ROUNDS]: also mix.hosted, the same as a Linux program, for qemu-aarch64.
set -e
cd "$(dirname "$0")"
flags="-O2 -ffreestanding -nostdlib -static -fno-pic -fno-builtin -fno-tree-loop-distribute-patterns -mgeneral-regs-only -mcmodel=tiny -fno-stack-protector -fno-asynchronous-unwind-tables"
aarch64-linux-gnu-gcc $flags -c mix.c -o mix.o
aarch64-linux-gnu-gcc $flags -DROUNDS=50 -c start.S -o start.o
aarch64-linux-gnu-ld -T yard.ld --build-id=none --no-warn-rwx-segments -o mix.elf start.o mix.o
aarch64-linux-gnu-objcopy -O binary mix.elf mix.bin
chmod -x mix.bin
rm -f mix.o start.o mix.elf
if [ "$1" = hosted ]; then
  aarch64-linux-gnu-gcc $flags -DHOSTED -DROUNDS="${2:-50}" start.S mix.c -o mix.hosted
fi
