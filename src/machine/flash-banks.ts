/**
 * The board's flash as memory: its bytes lie in the engine's RAM behind the guest's, so that firmware is executed in place at full speed, and
 * a bank is read and fetched there while it is in read mode (`Environment.place`).
 */
import { FLASH_SIZE } from '../arch/board.ts'
import { BadInput } from '../arch/bad-input.ts'
import { Flash } from '../devices/index.ts'
import type { Ram } from '../engine/ram.ts'

export interface FlashImage {
  /** At most 64 MiB; the rest of the bank is zero. */
  readonly bytes: Uint8Array
  /** After programming and erasing, for a bank that is kept in a file; without it changes are lost with the machine. */
  readonly onWrite?: (offset: number, bytes: Uint8Array) => void
}

export const FLASH_BANKS = 2
export const FLASH_BYTES = FLASH_BANKS * FLASH_SIZE
/** Where nothing is: beyond the largest physical address. */
const NOWHERE = 2 ** 52
const PAGE = 4096

export class FlashBanks {
  readonly devices: readonly Flash[]
  readonly #base: number
  readonly #readable = [true, true]

  /** `base`: the physical address behind the guest's RAM. `changed`: a bank is (no longer) memory, so translations must go. */
  constructor(base: number, images: readonly (FlashImage | undefined)[], ram: () => Ram, changed: () => void) {
    this.#base = base
    this.devices = Array.from({ length: FLASH_BANKS }, (_, bank) => {
      const start = base + bank * FLASH_SIZE, onWrite = images[bank]?.onWrite
      return new Flash({
        name: `flash${bank}`, sizeBytes: FLASH_SIZE,
        memory: { read8: offset => ram().read8(start + offset), write: (offset, bytes) => { ram().copyIn(start + offset, bytes.subarray(0, FLASH_SIZE - offset)) } },
        onReadable: readable => {
          this.#readable[bank] = readable
          changed()
        },
        ...(onWrite === undefined ? {} : { onWrite }),
      })
    })
  }

  /** Pages of zeros are left out: they are zero. */
  load(images: readonly (FlashImage | undefined)[], ram: Ram): void {
    images.forEach((image, bank) => {
      if (image === undefined) return
      const { bytes } = image
      if (bytes.length > FLASH_SIZE) throw new BadInput(`flash bank ${bank}`, `${bytes.length} bytes are more than its ${FLASH_SIZE}`)
      for (let at = 0; at < bytes.length; at += PAGE) {
        const page = bytes.subarray(at, at + PAGE)
        if (page.some(byte => byte !== 0)) ram.copyIn(this.#base + bank * FLASH_SIZE + at, page)
      }
    })
  }

  place(pa: number, write: boolean): number {
    if (pa >= this.#base && pa < this.#base + FLASH_BYTES) return NOWHERE
    if (write || pa >= FLASH_BYTES || !this.#readable[pa < FLASH_SIZE ? 0 : 1]) return pa
    return this.#base + pa
  }
}
