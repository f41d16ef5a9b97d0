/** Block device (VIRTIO 1.2, 5.2). A request is done when the driver notifies: it takes no virtual time. */
import type { BlockBacking } from '../plug.ts'
import type { Chain } from './chain.ts'
import type { DeviceSide, VirtioModel } from './model.ts'

export const SECTOR = 512
const QUEUE_SIZE = 256
/** Segments of a request, and their size. */
const MOST_SEGMENTS = 126
const LARGEST_SEGMENT = 65_536
/** More than a driver that keeps to these sends; bounds what one request makes the host do. */
const LARGEST_REQUEST = MOST_SEGMENTS * LARGEST_SEGMENT
const COPY = 1 << 20

const FEATURE = { SIZE_MAX: 1, SEG_MAX: 2, RO: 5, BLK_SIZE: 6, FLUSH: 9 } as const
const TYPE = { IN: 0, OUT: 1, FLUSH: 4, GET_ID: 8 } as const
const RESULT = { OK: 0, IOERR: 1, UNSUPP: 2 } as const
const HEADER = 16
const ID_BYTES = 20

export interface BlockOptions {
  readonly backing: BlockBacking
  readonly serial?: string
}

export class VirtioBlock implements VirtioModel {
  readonly name = 'virtio-blk'
  readonly deviceId = 2
  readonly features: readonly number[]
  readonly queueSizes = [QUEUE_SIZE]
  readonly configuration = new Uint8Array(60)
  readonly #backing: BlockBacking
  readonly #id = new Uint8Array(ID_BYTES)
  #device!: DeviceSide

  constructor({ backing, serial = '' }: BlockOptions) {
    this.#backing = backing
    this.features = [FEATURE.SIZE_MAX, FEATURE.SEG_MAX, FEATURE.BLK_SIZE, FEATURE.FLUSH, ...(backing.readOnly ? [FEATURE.RO] : [])]
    this.#id.set(new TextEncoder().encode(serial).subarray(0, ID_BYTES))
    const view = new DataView(this.configuration.buffer)
    view.setBigUint64(0, BigInt(Math.floor(backing.size / SECTOR)), true)
    view.setUint32(8, LARGEST_SEGMENT, true)
    view.setUint32(12, MOST_SEGMENTS, true)
    view.setUint32(20, SECTOR, true)
  }

  attach(device: DeviceSide): void { this.#device = device }

  notified(): void { this.#device.queues[0]!.serve(chain => this.#request(chain) ?? this.#device.broken('a request without header or status')) }

  /** Bytes written into the chain. The last of them is the status (5.2.6). */
  #request(chain: Chain): number | undefined {
    const { readableBytes, writableBytes } = chain
    if (readableBytes < HEADER || writableBytes < 1) return undefined
    const header = new DataView(chain.bytes(0, HEADER).buffer)
    const type = header.getUint32(0, true), sector = Number(header.getBigUint64(8, true))
    const room = writableBytes - 1
    let result: number = RESULT.UNSUPP, written = 0
    switch (type) {
      case TYPE.IN:
        result = this.#read(chain, sector * SECTOR, room) ? RESULT.OK : RESULT.IOERR
        written = room
        break
      case TYPE.OUT: result = this.#write(chain, sector * SECTOR, readableBytes - HEADER) ? RESULT.OK : RESULT.IOERR; break
      case TYPE.FLUSH: result = this.#backing.flush() ? RESULT.OK : RESULT.IOERR; break
      case TYPE.GET_ID:
        written = Math.min(room, ID_BYTES)
        chain.write(0, this.#id.subarray(0, written))
        result = RESULT.OK
    }
    chain.write(room, Uint8Array.of(result))
    return written + 1
  }

  #isInside(offset: number, length: number): boolean {
    return length % SECTOR === 0 && length <= LARGEST_REQUEST && Number.isSafeInteger(offset) && offset + length <= Math.floor(this.#backing.size / SECTOR) * SECTOR
  }

  #read(chain: Chain, offset: number, length: number): boolean {
    if (!this.#isInside(offset, length)) return false
    const buffer = new Uint8Array(Math.min(length, COPY))
    for (let at = 0; at < length; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, length - at))
      if (!this.#backing.read(offset + at, part)) return false
      chain.write(at, part)
    }
    return true
  }

  #write(chain: Chain, offset: number, length: number): boolean {
    if (this.#backing.readOnly || !this.#isInside(offset, length)) return false
    for (let at = 0; at < length; at += COPY) if (!this.#backing.write(offset + at, chain.bytes(HEADER + at, Math.min(COPY, length - at)))) return false
    return true
  }

  reset(): void {}
  save(): unknown { return this.#backing.save?.() ?? null }
  restore(state: unknown): void { if (state !== null) this.#backing.restore?.(state) }
}
