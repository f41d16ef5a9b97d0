/**
 * Where the consoles go. One image: its bytes as they are. Several: whole lines on stdout with the VM's number before each, so that two VMs
 * never share a line; a line that does not end (a prompt) is shown when nothing follows it for a while.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import { BadInput } from '../arch/bad-input.ts'
import type { Console } from './console.ts'

export interface VmConsole {
  readonly output: (byte: number) => void
  /** Called now and then: shows what waits for the end of its line. */
  readonly tick: () => void
  readonly close: () => void
}

const NEWLINE = 10, RETURN = 13

/** `--console FILE`. */
export function fileConsole(path: string): VmConsole {
  let fd: number
  try { fd = openSync(path, 'w') } catch (error) {
    throw new BadInput('--console', `${path} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`)
  }
  const pending: number[] = []
  const flush = (): void => {
    if (pending.length > 0) writeSync(fd, Uint8Array.from(pending.splice(0)))
  }
  let open = true
  return {
    output: byte => {
      pending.push(byte)
      if (byte === NEWLINE || pending.length > 4096) flush()
    },
    tick: flush,
    close: () => {
      if (!open) return
      open = false
      flush()
      closeSync(fd)
    },
  }
}

export function plainConsole({ output }: Pick<Console, 'output'>): VmConsole { return { output, tick: () => {}, close: () => {} } }

/** Several VMs on one terminal. */
export class SharedTerminal {
  readonly #output: (byte: number) => void
  /** The VM whose line has been begun and not ended. */
  #unfinished = -1

  constructor({ output }: Pick<Console, 'output'>) { this.#output = output }

  console(vm: number): VmConsole {
    const line: number[] = []
    let lengthAtTick = 0
    const show = (): void => {
      if (this.#unfinished !== vm) {
        if (this.#unfinished >= 0) this.#write([NEWLINE])
        this.#write(new TextEncoder().encode(`vm${vm}| `))
      }
      this.#write(line)
      this.#unfinished = line.at(-1) === NEWLINE ? -1 : vm
      line.length = lengthAtTick = 0
    }
    return {
      output: byte => {
        if (byte === RETURN) return
        line.push(byte)
        if (byte === NEWLINE) show()
      },
      tick: () => {
        if (line.length > 0 && line.length === lengthAtTick) show()
        else lengthAtTick = line.length
      },
      close: () => {
        if (line.length > 0) show()
        if (this.#unfinished === vm) {
          this.#write([NEWLINE])
          this.#unfinished = -1
        }
      },
    }
  }

  #write(bytes: Iterable<number>): void { for (const byte of bytes) this.#output(byte) }
}
