/** Console device with one port (VIRTIO 1.2, 5.3). Outside event `data`: bytes typed. */
import type { OutsideEvent } from '../plug.ts'
import { fieldsOf, integersIn } from '../saved-state.ts'
import type { DeviceSide, VirtioModel } from './model.ts'

const QUEUE_SIZE = 128
const RECEIVE = 0, TRANSMIT = 1
/** Bytes of one chain that are printed; a driver sends a page at most. */
const LONGEST = 1 << 20
/** Typed and not yet wanted by the guest; what is more is lost, as on a serial line. */
const LONGEST_BACKLOG = 1 << 20

export class VirtioConsole implements VirtioModel {
  readonly name = 'virtio-console'
  readonly deviceId = 3
  readonly features = []
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE]
  readonly configuration = new Uint8Array(12)
  readonly #output: (bytes: Uint8Array) => void
  readonly #typed: number[] = []
  #device!: DeviceSide

  constructor(output: (bytes: Uint8Array) => void) { this.#output = output }

  attach(device: DeviceSide): void { this.#device = device }

  started(): void { this.#receive() }

  notified(queue: number): void {
    if (queue === RECEIVE) this.#receive()
    else if (queue === TRANSMIT) this.#transmit()
  }

  outside({ bytes }: OutsideEvent): void {
    for (const byte of bytes) if (this.#typed.length < LONGEST_BACKLOG) this.#typed.push(byte)
    this.#receive()
  }

  #transmit(): void {
    this.#device.queues[TRANSMIT]!.serve(chain => {
      this.#output(chain.bytes(0, Math.min(chain.readableBytes, LONGEST)))
      return 0
    })
  }

  #receive(): void {
    if (!this.#device.isLive) return
    const queue = this.#device.queues[RECEIVE]!
    do {
      while (this.#typed.length > 0) {
        const chain = queue.take()
        if (chain === undefined) break
        if (chain.writableBytes === 0) return this.#device.broken('a buffer to receive into that cannot be written')
        const count = chain.write(0, Uint8Array.from(this.#typed.slice(0, Math.min(chain.writableBytes, LONGEST))))
        this.#typed.splice(0, count)
        queue.give(chain, count)
      }
    } while (this.#typed.length > 0 && !queue.askForNotification())
    queue.tellDriver()
  }

  reset(): void {}
  save(): unknown { return { typed: [...this.#typed] } }
  restore(state: unknown): void { this.#typed.splice(0, this.#typed.length, ...integersIn(fieldsOf(state, this.name), 'typed', LONGEST_BACKLOG)) }
}
