/** A DHCP server with one lease (RFC 2131). */
import type { Ip } from './packets.ts'

const FIXED = 236, COOKIE = 0x6382_5363
const OPTION = { PAD: 0, MASK: 1, ROUTER: 3, RESOLVER: 6, REQUESTED: 50, LEASE: 51, TYPE: 53, SERVER: 54, END: 255 } as const
const TYPE = { DISCOVER: 1, OFFER: 2, REQUEST: 3, ACK: 5, NAK: 6, INFORM: 8 } as const
const LEASE_SECONDS = 86_400

export interface Lease { readonly address: Ip, readonly mask: Ip, readonly server: Ip, readonly router: Ip, readonly resolver: Ip }

/** The reply to a message, undefined for none. */
export function dhcpReply(message: Uint8Array, lease: Lease): Uint8Array | undefined {
  if (message.length < FIXED + 4 || message[0] !== 1 || message[1] !== 1 || message[2] !== 6) return undefined
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength)
  if (view.getUint32(FIXED) !== COOKIE) return undefined
  const options = new Map<number, Uint8Array>()
  for (let at = FIXED + 4; at < message.length && message[at] !== OPTION.END;) {
    if (message[at] === OPTION.PAD) {
      at++
      continue
    }
    const length = message[at + 1] ?? 0
    if (at + 2 + length > message.length) break
    options.set(message[at]!, message.subarray(at + 2, at + 2 + length))
    at += 2 + length
  }
  const address = (bytes: Uint8Array | undefined): Ip | undefined => bytes?.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) : undefined
  const type = options.get(OPTION.TYPE)?.[0], server = address(options.get(OPTION.SERVER))
  let answer: number
  if (type === TYPE.DISCOVER) answer = TYPE.OFFER
  else if (type === TYPE.INFORM) answer = TYPE.ACK
  else if (type === TYPE.REQUEST) {
    // Meant for another server.
    if (server !== undefined && server !== lease.server) return undefined
    answer = (address(options.get(OPTION.REQUESTED)) ?? view.getUint32(12)) === lease.address ? TYPE.ACK : TYPE.NAK
  } else return undefined

  const reply = new Uint8Array(300), out = new DataView(reply.buffer)
  reply.set([2, 1, 6, 0])
  reply.set(message.subarray(4, 8), 4) // xid
  reply.set(message.subarray(10, 12), 10) // flags
  reply.set(message.subarray(28, 44), 28) // chaddr
  out.setUint32(20, lease.server)
  if (answer !== TYPE.NAK && type !== TYPE.INFORM) out.setUint32(16, lease.address)
  out.setUint32(FIXED, COOKIE)
  let at = FIXED + 4
  const put = (option: number, ...bytes: readonly number[]): void => {
    reply.set([option, bytes.length, ...bytes], at)
    at += 2 + bytes.length
  }
  const four = (value: number): readonly number[] => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]
  put(OPTION.TYPE, answer)
  put(OPTION.SERVER, ...four(lease.server))
  if (answer !== TYPE.NAK) {
    if (type !== TYPE.INFORM) put(OPTION.LEASE, ...four(LEASE_SECONDS))
    put(OPTION.MASK, ...four(lease.mask))
    put(OPTION.ROUTER, ...four(lease.router))
    put(OPTION.RESOLVER, ...four(lease.resolver))
  }
  reply[at] = OPTION.END
  return reply
}
