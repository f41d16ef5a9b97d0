/**
 * Input from outside that is not what it should be: an image, device tree, snapshot, option or packet. The only thing parsers of
 * outside bytes throw; the CLI turns it into one line and exit code 2. Anything else that is thrown is a bug of ours.
 */
export class BadInput extends Error {
  /** Names the input: 'ELF image', 'device tree', '--mem'. */
  readonly what: string
  /** The byte in it, where there is one. */
  readonly offset: number | undefined

  constructor(what: string, problem: string, offset?: number) {
    super(offset === undefined ? `${what}: ${problem}` : `${what}: ${problem} (at offset 0x${offset.toString(16)})`)
    this.name = 'BadInput'
    this.what = what
    this.offset = offset
  }
}
