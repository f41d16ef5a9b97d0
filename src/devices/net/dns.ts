/** A resolver's side of DNS (RFC 1035): one question in, A records out. Names are looked up by the host. */
const HEADER = 12
const TYPE = { A: 1, AAAA: 28 } as const
const CLASS_IN = 1
const LONGEST_NAME = 253
export const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4 } as const
const TTL = 60

export interface Question {
  readonly id: number
  /** The bytes of the question section, for the answer. */
  readonly bytes: Uint8Array
  /** Undefined when the name has letters that no host has. */
  readonly name: string | undefined
  readonly kind: 'address' | 'address6' | 'other'
}

/** Undefined for what is no query with one question. */
export function parseQuestion(message: Uint8Array): Question | undefined {
  if (message.length < HEADER) return undefined
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
  if ((view.getUint16(2) & 0xf800) !== 0 || view.getUint16(4) !== 1) return undefined
  const labels: string[] = []
  let at = HEADER
  for (let length = message[at]; length !== 0; length = message[at]) {
    if (length === undefined || length > 63 || at + 1 + length > message.length) return undefined
    labels.push(String.fromCharCode(...message.subarray(at + 1, at + 1 + length)))
    at += 1 + length
  }
  at++
  if (at + 4 > message.length) return undefined
  const name = labels.join('.'), type = view.getUint16(at)
  return {
    id: view.getUint16(0), bytes: message.slice(HEADER, at + 4), name: name.length <= LONGEST_NAME && /^[\w-]+(?:\.[\w-]+)*$/.test(name) ? name : undefined,
    kind: view.getUint16(at + 2) !== CLASS_IN ? 'other' : type === TYPE.A ? 'address' : type === TYPE.AAAA ? 'address6' : 'other',
  }
}

/** `addresses`: 4 bytes each. */
export function dnsAnswer({ id, bytes }: Question, code: number, addresses: Uint8Array = new Uint8Array(0)): Uint8Array {
  const count = Math.min(Math.floor(addresses.length / 4), 16), answer = new Uint8Array(HEADER + bytes.length + 16 * count), view = new DataView(answer.buffer)
  view.setUint16(0, id)
  // A response, recursion desired and available.
  view.setUint16(2, 0x8180 | code)
  view.setUint16(4, 1)
  view.setUint16(6, count)
  answer.set(bytes, HEADER)
  for (let i = 0; i < count; i++) {
    const at = HEADER + bytes.length + 16 * i
    view.setUint16(at, 0xc000 | HEADER)
    view.setUint16(at + 2, TYPE.A)
    view.setUint16(at + 4, CLASS_IN)
    view.setUint32(at + 6, TTL)
    view.setUint16(at + 10, 4)
    answer.set(addresses.subarray(4 * i, 4 * i + 4), at + 12)
  }
  return answer
}
