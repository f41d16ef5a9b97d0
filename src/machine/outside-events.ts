/** What enters the machine from outside, on its way to the devices: the queue before the next turn, and what comes at a time of its own. */
import { BadInput } from '../arch/bad-input.ts'
import type { OutsideEvent, OutsideReceiver } from '../arch/outside.ts'
import { BYTES, COUNT, list, objectOf, TEXT, value } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'

const MOST_EVENTS = 1 << 20
const EVENT = { device: TEXT, kind: TEXT, id: COUNT, bytes: BYTES }
const POSTED = list(value<OutsideEvent>(EVENT), MOST_EVENTS)
const SCHEDULED = list(value<OutsideEvent & { at: number }>({ ...EVENT, at: COUNT }), MOST_EVENTS)

export class OutsideEvents {
  readonly #receivers = new Map<string, OutsideReceiver>()
  /** Not yet delivered. */
  readonly #posted: OutsideEvent[] = []
  /** By time, in cycles, and those of one time in the order in which they were scheduled. */
  readonly #scheduled: (OutsideEvent & { readonly at: number })[] = []
  readonly #onReceived: (event: OutsideEvent) => void

  /** `onReceived` is told of each event just before its device is. */
  constructor(onReceived: (event: OutsideEvent) => void) { this.#onReceived = onReceived }

  /** Throws BadInput where two devices have one name. */
  listen(device: string, receiver: OutsideReceiver): void {
    if (this.#receivers.has(device)) throw new BadInput('device', `two are called ${device}`)
    this.#receivers.set(device, receiver)
  }

  /** False: nobody listens under this name. */
  post(event: OutsideEvent): boolean {
    if (!this.#receivers.has(event.device)) return false
    this.#posted.push(event)
    return true
  }

  /** The same for cycle `at`. */
  schedule(event: OutsideEvent, at: number): boolean {
    if (!this.#receivers.has(event.device)) return false
    const time = Math.ceil(at)
    let place = this.#scheduled.length
    while (place > 0 && this.#scheduled[place - 1]!.at > time) place--
    this.#scheduled.splice(place, 0, { ...event, at: time })
    return true
  }

  get hasPosted(): boolean { return this.#posted.length > 0 }
  /** Cycle of the first that is scheduled. */
  get deadline(): number { return this.#scheduled[0]?.at ?? Infinity }

  /** All that was posted reaches its device; `before` is told of each first. */
  deliverPosted(before: ((event: OutsideEvent) => void) | undefined): void {
    for (const event of this.#posted.splice(0)) {
      before?.(event)
      this.#receive(event)
    }
  }

  /** What is due at cycle `now` reaches its device. */
  deliverScheduled(now: number): void {
    while (this.deadline <= now) {
      const { at: _, ...event } = this.#scheduled.shift()!
      this.#receive(event)
    }
  }

  #receive(event: OutsideEvent): void {
    this.#onReceived(event)
    this.#receivers.get(event.device)!(event)
  }

  saveState(): { readonly posted: Saved, readonly scheduled: Saved } {
    return { posted: POSTED.save(this.#posted), scheduled: SCHEDULED.save(this.#scheduled) }
  }

  restoreState(saved: Saved): void {
    const { posted, scheduled } = objectOf(saved, 'outside events')
    POSTED.restore(posted, 'posted', this.#posted)
    SCHEDULED.restore(scheduled ?? [], 'scheduled', this.#scheduled)
  }
}
