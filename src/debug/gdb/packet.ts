/**
 * Packets of GDB's remote serial protocol: `$body#checksum`, acknowledgements, and the byte that interrupts. Bodies are strings of bytes
 * (one character each). Whatever comes in is bounded and never throws.
 */

/** Largest body that is accepted, as `PacketSize` tells GDB. */
export const PACKET_SIZE = 0x8000
/** Read or written in one packet: a reply holds two digits per byte. */
export const MOST_BYTES = PACKET_SIZE / 2 - 64

export type Incoming =
  | { readonly kind: 'packet', readonly body: string }
  /** Ctrl-C. */
  | { readonly kind: 'interrupt' }
  /** The other side wants the last packet again. */
  | { readonly kind: 'resend' }
  /** Its checksum is wrong, or it is too long. */
  | { readonly kind: 'damaged', readonly why: string }

const DOLLAR = 0x24, HASH = 0x23, PLUS = 0x2b, MINUS = 0x2d, INTERRUPT = 3

export class PacketReader {
  #state: 'idle' | 'body' | 'checksum' = 'idle'
  #body: number[] = []
  #sum = 0
  #tooLong = false
  #digits = ''

  /** What is complete after these bytes, in order. */
  feed(bytes: Uint8Array): readonly Incoming[] {
    const out: Incoming[] = []
    for (const byte of bytes) {
      switch (this.#state) {
        case 'idle':
          if (byte === DOLLAR) this.#begin()
          else if (byte === INTERRUPT) out.push({ kind: 'interrupt' })
          else if (byte === MINUS) out.push({ kind: 'resend' })
          // PLUS acknowledges; anything else between packets is noise.
          else if (byte !== PLUS) continue
          break
        case 'body':
          if (byte === HASH) this.#state = 'checksum'
          // A packet that begins in the middle of one: the first was cut off.
          else if (byte === DOLLAR) this.#begin()
          else {
            this.#sum = (this.#sum + byte) & 0xff
            if (this.#body.length < PACKET_SIZE) this.#body.push(byte)
            else this.#tooLong = true
          }
          break
        case 'checksum':
          this.#digits += String.fromCharCode(byte)
          if (this.#digits.length < 2) break
          this.#state = 'idle'
          if (this.#tooLong) out.push({ kind: 'damaged', why: `a packet of more than ${PACKET_SIZE} bytes` })
          else if (!/^[0-9a-fA-F]{2}$/.test(this.#digits) || Number.parseInt(this.#digits, 16) !== this.#sum) out.push({ kind: 'damaged', why: 'the checksum is wrong' })
          else out.push({ kind: 'packet', body: bytesToText(this.#body) })
      }
    }
    return out
  }

  #begin(): void {
    this.#state = 'body'
    this.#body = []
    this.#sum = 0
    this.#tooLong = false
    this.#digits = ''
  }
}

export function bytesToText(bytes: ArrayLike<number>): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += String.fromCharCode(bytes[i]!)
  return text
}

export function textToBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i)
  return bytes
}

/** The packet as it goes over the line. `body` is escaped already where it is binary. */
export function encodePacket(body: string): Uint8Array {
  let sum = 0
  for (let i = 0; i < body.length; i++) sum = (sum + body.charCodeAt(i)) & 0xff
  return textToBytes(`$${body}#${sum.toString(16).padStart(2, '0')}`)
}

/** `}` and the byte with bit 5 turned over, for those that mean something in a packet. */
export function escapeBinary(bytes: ArrayLike<number>): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    text += byte === 0x23 || byte === 0x24 || byte === 0x7d || byte === 0x2a ? `}${String.fromCharCode(byte ^ 0x20)}` : String.fromCharCode(byte)
  }
  return text
}

/** Undefined if it ends in the middle of an escape. */
export function unescapeBinary(text: string): Uint8Array | undefined {
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== '}') bytes.push(text.charCodeAt(i))
    else if (++i < text.length) bytes.push(text.charCodeAt(i) ^ 0x20)
    else return undefined
  }
  return Uint8Array.from(bytes)
}

export function hexOf(bytes: ArrayLike<number>): string {
  let text = ''
  for (let i = 0; i < bytes.length; i++) text += bytes[i]!.toString(16).padStart(2, '0')
  return text
}

/** Undefined unless it is an even number of hexadecimal digits. */
export function hexToBytes(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined
  return Uint8Array.from({ length: text.length / 2 }, (_, i) => Number.parseInt(text.slice(2 * i, 2 * i + 2), 16))
}

/** `size` bytes of a value, lowest first. */
export function littleEndian(value: bigint, size: number): string {
  let text = ''
  for (let i = 0; i < size; i++) text += Number((value >> BigInt(8 * i)) & 0xffn).toString(16).padStart(2, '0')
  return text
}

export function fromLittleEndian(bytes: Uint8Array): bigint {
  let value = 0n
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!)
  return value
}

/** A thread-id of the multiprocess extension: `p1.2`, `p1.-1`, `p1`, `2`; 0 is any, -1 all. */
export interface ThreadId { readonly process: number | undefined, readonly thread: number }

export function parseThreadId(text: string): ThreadId | undefined {
  const whole = /^p(-1|[0-9a-fA-F]{1,8})(?:\.(-1|[0-9a-fA-F]{1,8}))?$/.exec(text)
  const number = (digits: string): number => digits === '-1' ? -1 : Number.parseInt(digits, 16)
  if (whole !== null) return { process: number(whole[1]!), thread: whole[2] === undefined ? -1 : number(whole[2]) }
  return /^(-1|[0-9a-fA-F]{1,8})$/.test(text) ? { process: undefined, thread: number(text) } : undefined
}

/** `address,length`: an address of up to 64 bits and a count. */
export function parseRange(text: string): { readonly address: bigint, readonly length: number } | undefined {
  const match = /^([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})$/.exec(text)
  return match === null ? undefined : { address: BigInt(`0x${match[1]}`), length: Number.parseInt(match[2]!, 16) }
}
