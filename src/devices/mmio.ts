/**
 * A device behind a range of physical addresses. It sees offsets and the narrow interfaces given to its constructor, never the
 * machine, the CPU or its own address.
 */
export type AccessSize = 1 | 2 | 4 | 8

export interface MmioDevice {
  readonly name: string
  readonly sizeBytes: number
  /**
   * Value of an aligned little-endian access, 0 <= value < 2^(8 size), below 2^53. Undefined: no register there, or not with this
   * size; the board decides what the bus answers.
   */
  read(offset: number, size: AccessSize): number | undefined
  /** False: no register there, or not with this size; nothing has happened. */
  write(offset: number, size: AccessSize, value: number): boolean
  reset(): void
  /** Plain data for JSON: `restore(JSON.parse(JSON.stringify(save())))` gives the same device. */
  save(): unknown
  restore(state: unknown): void
}
