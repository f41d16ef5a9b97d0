/** Input from outside that cannot be used: an image, a device tree, an option. Never a bug of ours; the CLI prints it and exits with 2. */
export class BadInput extends Error {
  override readonly name = 'BadInput'
  /** What was being read: 'ELF', 'Image', 'FDT', 'gzip', ... */
  readonly what: string
  /** Byte offset in that input, or -1 where it has none. */
  readonly offset: number
  constructor(what: string, offset: number, message: string) {
    super(offset < 0 ? `${what}: ${message}` : `${what} at offset 0x${offset.toString(16)}: ${message}`)
    this.what = what
    this.offset = offset
  }
}
