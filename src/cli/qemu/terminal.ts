/** This terminal as QEMU's -nographic has it: Ctrl-A is the escape character where the port is multiplexed, Ctrl-C is the guest's there. */
import { writeSync } from 'node:fs'
import { EXIT } from '../exit-codes.ts'

const CTRL_A = 1, CTRL_C = 3
const HELP = '\nCtrl-A H    print this help\nCtrl-A X    exit\nCtrl-A Ctrl-A  send Ctrl-A\n'

export interface Terminal {
  /** Stdin has been connected, and has not ended. */
  readonly isOpen: () => boolean
  readonly take: () => Uint8Array
  /** Resolves when something is typed, or after the time. */
  readonly wait: (milliseconds: number) => Promise<void>
  readonly write: (bytes: Uint8Array) => void
  readonly flush: () => void
  readonly quit: () => boolean
  readonly close: () => void
}

/** `input`: the guest gets what is typed. */
export function openTerminal({ input, mux }: { readonly input: boolean, readonly mux: boolean }): Terminal {
  const { stdin } = process, typed: number[] = [], pending: Uint8Array[] = []
  let open = input, escaped = false, quit = false, wake: (() => void) | undefined
  const write = (fd: number, bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length;) {
      try { at += writeSync(fd, bytes, at) } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        if (code === 'EPIPE') process.exit(EXIT.done)
        // A pipe that is full.
        if (code !== 'EAGAIN') throw error
      }
    }
  }
  const flush = (): void => {
    if (pending.length === 0) return
    write(1, Buffer.concat(pending.splice(0)))
  }
  const onData = (chunk: Buffer): void => {
    for (const byte of chunk) {
      if (escaped) {
        escaped = false
        if (byte === 0x78 || byte === 0x58) quit = true
        else if (byte === 0x68 || byte === 0x48 || byte === 0x3f) write(2, Buffer.from(HELP))
        else if (byte === CTRL_A) typed.push(byte)
        else if (byte === 0x63) write(2, Buffer.from('\nnidus: there is no monitor\n'))
      } else if (mux && byte === CTRL_A) escaped = true
      // In raw mode nobody makes a signal of it.
      else if (!mux && stdin.isTTY && byte === CTRL_C) quit = true
      else typed.push(byte)
    }
    wake?.()
  }
  const onEnd = (): void => {
    open = false
    wake?.()
  }
  if (input) {
    if (stdin.isTTY) stdin.setRawMode(true)
    stdin.on('data', onData).once('end', onEnd).once('close', onEnd).once('error', onEnd)
  }
  return {
    isOpen: () => open, take: () => Uint8Array.from(typed.splice(0)), flush, quit: () => quit,
    wait: milliseconds => new Promise(resolve => {
      if (typed.length > 0 || quit) {
        resolve()
        return
      }
      const timer = setTimeout(() => { wake?.() }, milliseconds)
      wake = () => {
        clearTimeout(timer)
        wake = undefined
        resolve()
      }
    }),
    write: bytes => {
      pending.push(Uint8Array.from(bytes))
      if (process.stdout.isTTY || pending.length > 64 || bytes.includes(10)) flush()
    },
    close: () => {
      flush()
      if (!input) return
      if (stdin.isTTY) stdin.setRawMode(false)
      stdin.pause()
      stdin.off('data', onData)
    },
  }
}
