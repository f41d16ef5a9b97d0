/** A disk whose changes stay in memory: what lies below is only read. */
import { BadInput } from '../../arch/bad-input.ts'
import { fieldsOf } from '../saved-state.ts'
import type { BlockBacking } from '../plug.ts'

const BLOCK = 4096

export class OverlayBacking implements BlockBacking {
  readonly size: number
  readonly readOnly = false
  readonly #below: BlockBacking
  /** Changed blocks by number. */
  readonly #blocks = new Map<number, Uint8Array>()

  constructor(below: BlockBacking) {
    this.#below = below
    this.size = below.size
  }

  /** Bytes of memory that the changes take. */
  get changedBytes(): number { return this.#blocks.size * BLOCK }

  read(offset: number, into: Uint8Array): boolean {
    // Runs of unchanged blocks at once.
    for (let at = 0; at < into.length;) {
      const number = Math.floor((offset + at) / BLOCK), changed = this.#blocks.get(number)
      let end = Math.min(into.length, (number + 1) * BLOCK - offset)
      if (changed !== undefined) into.set(changed.subarray(offset + at - number * BLOCK, offset + end - number * BLOCK), at)
      else {
        while (end < into.length && !this.#blocks.has(Math.floor((offset + end) / BLOCK))) end = Math.min(into.length, end + BLOCK)
        if (!this.#below.read(offset + at, into.subarray(at, end))) return false
      }
      at = end
    }
    return true
  }

  write(offset: number, from: Uint8Array): boolean {
    for (let at = 0; at < from.length;) {
      const number = Math.floor((offset + at) / BLOCK), start = number * BLOCK, end = Math.min(from.length, start + BLOCK - offset)
      let block = this.#blocks.get(number)
      if (block === undefined) {
        block = new Uint8Array(BLOCK)
        if (end - at < BLOCK && !this.#below.read(start, block.subarray(0, Math.min(BLOCK, this.size - start)))) return false
        this.#blocks.set(number, block)
      }
      block.set(from.subarray(at, end), offset + at - start)
      at = end
    }
    return true
  }

  flush(): boolean { return true }

  save(): unknown { return { blocks: [...this.#blocks].map(([number, bytes]) => [number, hexOf(bytes)]) } }

  restore(state: unknown): void {
    const { blocks } = fieldsOf(state, 'disk overlay')
    if (!Array.isArray(blocks)) throw new BadInput('snapshot', 'the disk overlay has no blocks')
    this.#blocks.clear()
    for (const entry of blocks as unknown[]) {
      const [number, text] = Array.isArray(entry) ? entry as unknown[] : []
      const bytes = typeof text === 'string' ? bytesOf(text) : undefined
      if (!Number.isSafeInteger(number) || (number as number) < 0 || (number as number) * BLOCK >= this.size || bytes?.length !== BLOCK) throw new BadInput('snapshot', 'a block of the disk overlay is damaged')
      this.#blocks.set(number as number, bytes)
    }
  }
}

const hexOf = (bytes: Uint8Array): string => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
const bytesOf = (text: string): Uint8Array | undefined =>
  /^(?:[0-9a-f]{2})*$/.test(text) ? Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)) : undefined
