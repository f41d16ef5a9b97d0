/**
 * Something that enters the machine on its own account: bytes typed, what the network answers. Plain data, so that it can be recorded and
 * replayed; it comes in through `Machine.post` and nowhere else. What `kind` and `id` mean is the device's: see the device.
 */
export interface OutsideEvent {
  /** Name of the device: `uart0`, or that of a plug. */
  readonly device: string
  readonly kind: string
  readonly id: number
  readonly bytes: Uint8Array
}

export type OutsideReceiver = (event: OutsideEvent) => void
