/** Guest memory by virtual address, as the PE that runs now would read and write it, without exceptions: for calls to the host. */
import { concatBytes } from '../arch/bytes.ts'
import { PSTATE, elOf } from '../arch/pstate.ts'
import { ACCESS, Translation, translate } from '../mmu/index.ts'
import type { Core } from './core.ts'
import type { MemoryAccess } from './translation.ts'

const PAGE = 4096

export class VirtualBytes {
  readonly #core: Core
  readonly #access: MemoryAccess
  readonly #out = new Translation()

  constructor(core: Core, access: MemoryAccess) {
    this.#core = core
    this.#access = access
  }

  /** Bytes from `va` up to the first that cannot be read. */
  read(va: bigint, size: number): Uint8Array {
    const { ram } = this.#core.engine, parts: Uint8Array[] = []
    let done = 0
    while (done < size) {
      const count = Math.min(size - done, PAGE - Number((va + BigInt(done)) & 0xfffn)), pa = this.#pa(va + BigInt(done), false)
      if (pa < 0 || !ram.contains(pa, count)) break
      parts.push(ram.bytes(pa, count))
      done += count
    }
    return concatBytes(parts)
  }

  /** Number of bytes written: fewer where the rest cannot be. */
  write(va: bigint, bytes: Uint8Array): number {
    const { ram } = this.#core.engine
    let done = 0
    while (done < bytes.length) {
      const count = Math.min(bytes.length - done, PAGE - Number((va + BigInt(done)) & 0xfffn)), pa = this.#pa(va + BigInt(done), true)
      if (pa < 0 || !ram.contains(pa, count)) break
      ram.copyIn(pa, bytes.subarray(done, done + count))
      done += count
    }
    return done
  }

  #pa(address: bigint, write: boolean): number {
    const core = this.#core, view = this.#access.view, { pstate } = core.engine.state, va = BigInt.asUintN(64, address)
    const access = (write ? ACCESS.write : ACCESS.read) | (elOf(pstate) === 0 ? ACCESS.unprivileged : (pstate & PSTATE.PAN) !== 0 ? ACCESS.pan : 0)
    return translate(view.stage1, view.stage2, Number(va >> 32n) | 0, Number(va & 0xffff_ffffn) | 0, access, this.#access.memory, this.#out) ? core.place(this.#out.pa, write) : -1
  }
}
