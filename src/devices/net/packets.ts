/** Ethernet, ARP, IPv4, ICMP, UDP and TCP as bytes (RFC 894, 826, 791, 792, 768, 9293): only what a user-mode network of one guest needs. */

export const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806 } as const
export const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17 } as const
export const TCP_FLAG = { FIN: 1, SYN: 2, RST: 4, PSH: 8, ACK: 16 } as const
export const ETHERNET = 14
const IP_HEADER = 20, UDP_HEADER = 8, TCP_HEADER = 20

/** Addresses are unsigned 32-bit numbers. */
export type Ip = number
export const ip = (a: number, b: number, c: number, d: number): Ip => ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
export const ipText = (address: Ip): string => [24, 16, 8, 0].map(shift => (address >>> shift) & 0xff).join('.')

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** The Internet checksum (RFC 1071) of some bytes, on top of a sum. */
export function checksum(bytes: Uint8Array, sum = 0): number {
  let total = sum
  for (let i = 0; i < bytes.length; i += 2) total += (bytes[i]! << 8) | (bytes[i + 1] ?? 0)
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x1_0000)
  return ~total & 0xffff
}

/** Sum of the pseudo header. */
const pseudo = (source: Ip, destination: Ip, protocol: number, length: number): number =>
  (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length

export interface EthernetFrame { readonly destination: Uint8Array, readonly source: Uint8Array, readonly type: number, readonly payload: Uint8Array }

export function parseEthernet(frame: Uint8Array): EthernetFrame | undefined {
  if (frame.length < ETHERNET) return undefined
  return { destination: frame.subarray(0, 6), source: frame.subarray(6, 12), type: (frame[12]! << 8) | frame[13]!, payload: frame.subarray(ETHERNET) }
}

export function ethernet(destination: Uint8Array, source: Uint8Array, type: number, payload: Uint8Array): Uint8Array {
  const frame = new Uint8Array(ETHERNET + payload.length)
  frame.set(destination)
  frame.set(source, 6)
  frame[12] = type >>> 8
  frame[13] = type & 0xff
  frame.set(payload, ETHERNET)
  return frame
}

export interface Arp { readonly operation: number, readonly senderMac: Uint8Array, readonly senderIp: Ip, readonly targetIp: Ip }

export function parseArp(payload: Uint8Array): Arp | undefined {
  if (payload.length < 28) return undefined
  const view = viewOf(payload)
  if (view.getUint16(0) !== 1 || view.getUint16(2) !== ETHERTYPE.IPV4 || payload[4] !== 6 || payload[5] !== 4) return undefined
  return { operation: view.getUint16(6), senderMac: payload.slice(8, 14), senderIp: view.getUint32(14), targetIp: view.getUint32(24) }
}

export function arpReply(mac: Uint8Array, address: Ip, to: Arp): Uint8Array {
  const bytes = new Uint8Array(28), view = viewOf(bytes)
  view.setUint16(0, 1)
  view.setUint16(2, ETHERTYPE.IPV4)
  bytes[4] = 6
  bytes[5] = 4
  view.setUint16(6, 2)
  bytes.set(mac, 8)
  view.setUint32(14, address)
  bytes.set(to.senderMac, 18)
  view.setUint32(24, to.senderIp)
  return bytes
}

export interface Ipv4 { readonly source: Ip, readonly destination: Ip, readonly protocol: number, readonly payload: Uint8Array }

/** Undefined for what is damaged or a fragment: guests on a link of 1500 bytes send none. */
export function parseIpv4(packet: Uint8Array): Ipv4 | undefined {
  if (packet.length < IP_HEADER || packet[0]! >>> 4 !== 4) return undefined
  const view = viewOf(packet), header = (packet[0]! & 15) * 4, length = view.getUint16(2)
  if (header < IP_HEADER || length < header || length > packet.length || checksum(packet.subarray(0, header)) !== 0) return undefined
  if ((view.getUint16(6) & 0x3fff) !== 0) return undefined
  return { source: view.getUint32(12), destination: view.getUint32(16), protocol: packet[9]!, payload: packet.subarray(header, length) }
}

export function ipv4(source: Ip, destination: Ip, protocol: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(IP_HEADER + payload.length), view = viewOf(packet)
  packet[0] = 0x45
  view.setUint16(2, packet.length)
  view.setUint16(6, 0x4000)
  packet[8] = 64
  packet[9] = protocol
  view.setUint32(12, source)
  view.setUint32(16, destination)
  view.setUint16(10, checksum(packet.subarray(0, IP_HEADER)))
  packet.set(payload, IP_HEADER)
  return packet
}

export interface Udp { readonly sourcePort: number, readonly destinationPort: number, readonly data: Uint8Array }

export function parseUdp({ payload }: Ipv4): Udp | undefined {
  if (payload.length < UDP_HEADER) return undefined
  const view = viewOf(payload), length = view.getUint16(4)
  if (length < UDP_HEADER || length > payload.length) return undefined
  return { sourcePort: view.getUint16(0), destinationPort: view.getUint16(2), data: payload.subarray(UDP_HEADER, length) }
}

export function udp(source: Ip, sourcePort: number, destination: Ip, destinationPort: number, data: Uint8Array): Uint8Array {
  const payload = new Uint8Array(UDP_HEADER + data.length), view = viewOf(payload)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  view.setUint16(4, payload.length)
  payload.set(data, UDP_HEADER)
  // 0 stands for no checksum.
  view.setUint16(6, checksum(payload, pseudo(source, destination, PROTOCOL.UDP, payload.length)) || 0xffff)
  return ipv4(source, destination, PROTOCOL.UDP, payload)
}

/** The answer to an echo request (type 8), undefined for anything else. */
export function echoReply({ payload }: Ipv4): Uint8Array | undefined {
  if (payload.length < 8 || payload[0] !== 8) return undefined
  const reply = payload.slice(), view = viewOf(reply)
  reply[0] = 0
  view.setUint16(2, 0)
  view.setUint16(2, checksum(reply))
  return reply
}

export interface Tcp {
  readonly sourcePort: number
  readonly destinationPort: number
  readonly sequence: number
  readonly acknowledgement: number
  readonly flags: number
  readonly window: number
  /** Of a SYN; undefined where the option is not there. */
  readonly mss: number | undefined
  readonly windowScale: number | undefined
  readonly data: Uint8Array
}

export function parseTcp({ payload }: Ipv4): Tcp | undefined {
  if (payload.length < TCP_HEADER) return undefined
  const view = viewOf(payload), header = (payload[12]! >>> 4) * 4
  if (header < TCP_HEADER || header > payload.length) return undefined
  let mss: number | undefined, windowScale: number | undefined
  for (let at = TCP_HEADER; at < header;) {
    const kind = payload[at]!
    if (kind === 0) break
    if (kind === 1) {
      at++
      continue
    }
    const length = payload[at + 1] ?? 0
    if (length < 2 || at + length > header) break
    if (kind === 2 && length === 4) mss = view.getUint16(at + 2)
    else if (kind === 3 && length === 3) windowScale = Math.min(payload[at + 2]!, 14)
    at += length
  }
  return {
    sourcePort: view.getUint16(0), destinationPort: view.getUint16(2), sequence: view.getUint32(4), acknowledgement: view.getUint32(8), flags: payload[13]!, window: view.getUint16(14),
    mss, windowScale, data: payload.subarray(header),
  }
}

export interface TcpSegment {
  readonly source: Ip
  readonly sourcePort: number
  readonly destination: Ip
  readonly destinationPort: number
  readonly sequence: number
  readonly acknowledgement: number
  readonly flags: number
  readonly window: number
  readonly options?: readonly number[]
  readonly data?: Uint8Array
}

/** `options` are a multiple of 4 bytes. */
export function tcp({ source, sourcePort, destination, destinationPort, sequence, acknowledgement, flags, window, options = [], data = new Uint8Array(0) }: TcpSegment): Uint8Array {
  const header = TCP_HEADER + options.length, payload = new Uint8Array(header + data.length), view = viewOf(payload)
  view.setUint16(0, sourcePort)
  view.setUint16(2, destinationPort)
  view.setUint32(4, sequence)
  view.setUint32(8, acknowledgement)
  payload[12] = (header / 4) << 4
  payload[13] = flags
  view.setUint16(14, window)
  payload.set(options, TCP_HEADER)
  payload.set(data, header)
  view.setUint16(16, checksum(payload, pseudo(source, destination, PROTOCOL.TCP, payload.length)))
  return ipv4(source, destination, PROTOCOL.TCP, payload)
}
