/** The guest's console on this terminal: bytes out to stdout, keys in from stdin, Ctrl-A X to end (QEMU's habit), Ctrl-A 1 to type at VM 1. */
import { writeSync } from 'node:fs'
import { EXIT } from './exit-codes.ts'

const CTRL_A = 1, CTRL_C = 3

export interface Console {
  readonly output: (byte: number) => void
  /** What was typed since the last call. */
  readonly bytes: () => Uint8Array
  /** The VM that they are for. */
  readonly selected: () => number
  readonly close: () => void
}

export function connectConsole(vms = 1): Console {
  const typed: number[] = []
  const { stdin } = process
  let afterCtrlA = false, open = true, selected = 0
  const pending: number[] = []
  const flush = (): void => {
    if (pending.length === 0) return
    writeAll(1, Uint8Array.from(pending))
    pending.length = 0
  }
  const close = (): void => {
    if (!open) return
    open = false
    flush()
    if (stdin.isTTY) stdin.setRawMode(false)
    stdin.pause()
    stdin.off('data', onData)
  }
  const end = (code: number): never => {
    close()
    process.exit(code)
  }
  const onData = (chunk: Buffer): void => {
    for (const byte of chunk) {
      if (afterCtrlA) {
        afterCtrlA = false
        if (byte === 0x78 || byte === 0x58) end(EXIT.interrupted)
        const digit = byte - 0x30
        if (vms > 1 && digit >= 0 && digit < vms) selected = digit
        else typed.push(byte)
      } else if (stdin.isTTY && byte === CTRL_A) afterCtrlA = true
      else if (stdin.isTTY && byte === CTRL_C) end(EXIT.interrupted)
      else typed.push(byte)
    }
  }
  if (stdin.isTTY) stdin.setRawMode(true)
  stdin.on('data', onData)
  return {
    output: byte => {
      pending.push(byte)
      if (byte === 10 || pending.length > 512 || process.stdout.isTTY) flush()
    },
    bytes: () => {
      flush()
      return Uint8Array.from(typed.splice(0))
    },
    selected: () => selected,
    close,
  }
}

/** stdout may be a pipe that is full: wait for it instead of losing bytes. */
function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try { at += writeSync(fd, bytes, at) } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EPIPE') process.exit(EXIT.done)
      if (code !== 'EAGAIN') throw error
    }
  }
}
