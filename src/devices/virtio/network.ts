/** Network device with one pair of queues and no offloads (VIRTIO 1.2, 5.1), on a user-mode network. */
import { BadInput } from '../../arch/bad-input.ts'
import { UserNetwork } from '../net/user-network.ts'
import type { HostNetwork, OutsideEvent, PortForward } from '../plug.ts'
import { fieldsOf, integersIn } from '../saved-state.ts'
import type { DeviceSide, VirtioModel } from './model.ts'

const QUEUE_SIZE = 256
const RECEIVE = 0, TRANSMIT = 1
const FEATURE = { MAC: 5, STATUS: 16 } as const
const LINK_UP = 1
/** struct virtio_net_hdr with num_buffers (5.1.6); of the legacy interface without (5.1.6.1). */
const HEADER = 12, LEGACY_HEADER = 10
const NUM_BUFFERS = 10
const LARGEST_FRAME = 1514 + 4
/** For a guest that takes none: the rest is lost, as on a wire. */
const MOST_WAITING = 1024

export interface NetworkOptions { readonly mac: string, readonly host: HostNetwork, readonly forwards: readonly PortForward[], readonly delayedAcknowledgements?: boolean | undefined }

export class VirtioNetwork implements VirtioModel {
  readonly name = 'virtio-net'
  readonly deviceId = 1
  readonly features = [FEATURE.MAC, FEATURE.STATUS]
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE]
  readonly configuration = new Uint8Array(12)
  readonly #network: UserNetwork
  readonly #waiting: Uint8Array[] = []
  #device!: DeviceSide

  constructor({ mac, host, forwards, delayedAcknowledgements = false }: NetworkOptions) {
    const bytes = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(mac) ? mac.split(':').map(part => Number.parseInt(part, 16)) : undefined
    if (bytes === undefined || (bytes[0]! & 1) !== 0) throw new BadInput('network card', `'${mac}' is no address of a card; write 52:54:00:12:34:56`)
    this.configuration.set([...bytes, LINK_UP, 0])
    this.#network = new UserNetwork({ host, forwards, delayedAcknowledgements, frame: frame => { if (this.#waiting.length < MOST_WAITING) this.#waiting.push(frame) } })
  }

  attach(device: DeviceSide): void { this.#device = device }

  get #header(): number { return this.#device.isLegacy ? LEGACY_HEADER : HEADER }

  notified(queue: number): void {
    if (queue === TRANSMIT) {
      this.#device.queues[TRANSMIT]!.serve(chain => {
        // A frame that is too long for the link is lost.
        if (chain.readableBytes > this.#header && chain.readableBytes <= this.#header + LARGEST_FRAME) this.#network.send(chain.bytes(this.#header, LARGEST_FRAME))
        return 0
      })
    }
    this.#receive()
  }

  outside(event: OutsideEvent): void {
    this.#network.outside(event)
    this.#receive()
  }

  #receive(): void {
    if (!this.#device.isLive) return
    const queue = this.#device.queues[RECEIVE]!
    do {
      for (let frame = this.#waiting[0]; frame !== undefined; frame = this.#waiting[0]) {
        const chain = queue.take()
        if (chain === undefined) break
        if (chain.writableBytes < this.#header + frame.length) return this.#device.broken(`a buffer of ${chain.writableBytes} bytes to receive into`)
        const bytes = new Uint8Array(this.#header + frame.length)
        if (!this.#device.isLegacy) bytes[NUM_BUFFERS] = 1
        bytes.set(frame, this.#header)
        this.#waiting.shift()
        queue.give(chain, chain.write(0, bytes))
      }
    } while (this.#waiting.length > 0 && !queue.askForNotification())
    queue.tellDriver()
  }

  reset(): void { this.#waiting.length = 0 }

  save(): unknown { return { waiting: this.#waiting.map(frame => [...frame]), network: this.#network.save() } }

  restore(state: unknown): void {
    const fields = fieldsOf(state, this.name), { waiting } = fields
    this.#waiting.length = 0
    if (Array.isArray(waiting)) waiting.slice(0, MOST_WAITING).forEach((_, i) => { this.#waiting.push(Uint8Array.from(integersIn({ frame: waiting[i] }, 'frame', LARGEST_FRAME))) })
    this.#network.restore(fields['network'])
  }
}
