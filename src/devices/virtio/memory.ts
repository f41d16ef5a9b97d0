/** The guest's memory as a device reaches it. Addresses come from guests: nothing outside RAM is read or written, and nothing throws. */
export interface DmaMemory {
  /** False, and nothing has happened, if any byte is outside RAM. */
  readBytes(address: number, into: Uint8Array): boolean
  writeBytes(address: number, from: Uint8Array): boolean
  isRam(address: number, size: number): boolean
}
