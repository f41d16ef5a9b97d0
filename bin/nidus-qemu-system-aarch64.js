#!/usr/bin/env node
// `nidus qemu -- ...` under one name, for variables that hold the name of QEMU's program.
process.argv.splice(2, 0, 'qemu', '--')
await import('./nidus.js')
