/** Entropy device (VIRTIO 1.2, 5.4): the stream of a seed, the same in every run. Not for keys that matter. */
import { fieldsOf, fillFrom } from '../saved-state.ts'
import type { DeviceSide, VirtioModel } from './model.ts'

const QUEUE_SIZE = 64
/** Bytes given for one chain. */
const MOST = 4096

export class VirtioEntropy implements VirtioModel {
  readonly name = 'virtio-rng'
  readonly deviceId = 4
  readonly features = []
  readonly queueSizes = [QUEUE_SIZE]
  readonly configuration = new Uint8Array(0)
  /** xoshiro128** (Blackman and Vigna): four words, never all zero. */
  readonly #state = new Int32Array(4)
  #device!: DeviceSide

  constructor(seed: number) {
    // SplitMix32 spreads the seed.
    let a = (seed >>> 0) ^ Math.imul(Math.floor(seed / 2 ** 32), 0x85eb_ca6b)
    for (let i = 0; i < 4; i++) {
      a = (a + 0x9e37_79b9) | 0
      let z = Math.imul(a ^ (a >>> 16), 0x21f0_aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a_2d97)
      this.#state[i] = z ^ (z >>> 15)
    }
    if (this.#state.every(word => word === 0)) this.#state[0] = 1
  }

  attach(device: DeviceSide): void { this.#device = device }

  notified(): void {
    this.#device.queues[0]!.serve(chain => {
      const bytes = new Uint8Array(Math.min(MOST, chain.writableBytes))
      for (let i = 0; i < bytes.length; i += 4) {
        const word = this.#next()
        for (let j = i; j < Math.min(i + 4, bytes.length); j++) bytes[j] = word >>> (8 * (j - i))
      }
      return chain.write(0, bytes)
    })
  }

  #next(): number {
    const s = this.#state, rotate = (x: number, n: number): number => (x << n) | (x >>> (32 - n))
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9), t = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= t
    s[3] = rotate(s[3]!, 11)
    return result
  }

  /** A reset of the device does not rewind the stream. */
  reset(): void {}
  save(): unknown { return { state: [...this.#state] } }
  restore(state: unknown): void { fillFrom(fieldsOf(state, this.name), 'state', this.#state) }
}
