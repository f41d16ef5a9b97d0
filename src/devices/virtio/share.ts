/** 9P transport device (Linux, include/uapi/linux/virtio_9p.h): one queue of requests with room for their answers. */
import { BadInput } from '../../arch/bad-input.ts'
import { LARGEST_MESSAGE, NineServer } from '../ninep/server.ts'
import type { ShareFiles } from '../plug.ts'
import type { DeviceSide, VirtioModel } from './model.ts'

const QUEUE_SIZE = 128
const MOUNT_TAG = 0
/** Linux looks the tag up as a word of mount's arguments. */
const TAG = /^[A-Za-z0-9_.-]{1,32}$/

export class VirtioShare implements VirtioModel {
  readonly name = 'virtio-9p'
  readonly deviceId = 9
  readonly features = [MOUNT_TAG]
  readonly queueSizes = [QUEUE_SIZE]
  readonly configuration: Uint8Array
  readonly #server: NineServer
  #device!: DeviceSide

  constructor(tag: string, files: ShareFiles) {
    if (!TAG.test(tag)) throw new BadInput('share', `'${tag}' is no tag: 1 to 32 letters, digits, '-', '_' or '.'`)
    const name = new TextEncoder().encode(tag)
    this.configuration = Uint8Array.of(name.length & 0xff, name.length >>> 8, ...name)
    this.#server = new NineServer(files)
  }

  attach(device: DeviceSide): void { this.#device = device }

  notified(): void {
    this.#device.queues[0]!.serve(chain => {
      if (chain.readableBytes > LARGEST_MESSAGE) return this.#device.broken(`a message of ${chain.readableBytes} bytes`)
      const message = chain.bytes(0, chain.readableBytes)
      const size = message.length < 4 ? 0 : new DataView(message.buffer).getUint32(0, true)
      const answer = size > message.length ? undefined : this.#server.answer(message.subarray(0, size), chain.writableBytes)
      return answer === undefined ? this.#device.broken('a message without header, or without room for its answer') : chain.write(0, answer)
    })
  }

  reset(): void { this.#server.reset() }
  save(): unknown { return this.#server.save() }
  restore(state: unknown): void { this.#server.restore(state) }
}
