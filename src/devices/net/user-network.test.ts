import { beforeEach, describe, expect, test } from 'vitest'
import type { HostRequest } from '../plug.ts'
import { checksum, ethernet, ETHERTYPE, ip, ipText, ipv4, parseEthernet, parseIpv4, parseTcp, parseUdp, PROTOCOL, TCP_FLAG, tcp, udp, type Ipv4, type Tcp } from './packets.ts'
import { UserNetwork } from './user-network.ts'

const { ACK, FIN, PSH, RST, SYN } = TCP_FLAG
const MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56), ALL = new Uint8Array(6).fill(0xff)
const HOST = ip(10, 0, 2, 2), RESOLVER = ip(10, 0, 2, 3), GUEST = ip(10, 0, 2, 15), WEB = ip(93, 184, 216, 34)
const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)
const numbers = (...values: readonly number[]): Uint8Array => Uint8Array.from(values.flatMap(value => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]))

let network: UserNetwork, frames: Uint8Array[], requests: HostRequest[]
beforeEach(() => {
  frames = []
  requests = []
  network = new UserNetwork({ host: { request: request => { requests.push(request) } }, forwards: [{ hostAddress: '127.0.0.1', hostPort: 8080, guestPort: 80 }], frame: frame => { frames.push(frame) } })
  requests.length = 0
})
const guestSends = (packet: Uint8Array, to = MAC): void => { network.send(ethernet(to, MAC, ETHERTYPE.IPV4, packet)) }
const outside = (kind: string, id: number, bytes: Uint8Array = new Uint8Array(0)): void => { network.outside({ device: 'network0', kind, id, bytes }) }
const packets = (): Ipv4[] => frames.splice(0).flatMap(frame => parseIpv4(parseEthernet(frame)!.payload) ?? [])
const segments = (): Tcp[] => packets().flatMap(packet => parseTcp(packet) ?? [])
const segment = (flags: number, sequence: number, acknowledgement = 0, data: Uint8Array = new Uint8Array(0), more: { readonly options?: readonly number[], readonly window?: number, readonly destination?: number, readonly ports?: readonly [number, number] } = {}): void => {
  const [sourcePort, destinationPort] = more.ports ?? [40_000, 80]
  guestSends(tcp({ source: GUEST, sourcePort, destination: more.destination ?? WEB, destinationPort, sequence, acknowledgement, flags, window: more.window ?? 0xffff, options: more.options ?? [], data }))
}

test('checksums are those of RFC 1071', () => {
  expect(checksum(Uint8Array.of(0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7))).toBe(0xddf2 ^ 0xffff)
  const packet = udp(HOST, 1, GUEST, 2, ascii('abc'))
  expect(checksum(packet.subarray(0, 20))).toBe(0)
  expect(parseUdp(parseIpv4(packet)!)).toMatchObject({ sourcePort: 1, destinationPort: 2, data: ascii('abc') })
})

describe('the gateway', () => {
  test.each([[HOST, true], [RESOLVER, true], [ip(10, 0, 2, 77), false]])('ARP for %i', (target, answered) => {
    const request = new Uint8Array(28)
    request.set([0, 1, 8, 0, 6, 4, 0, 1, ...MAC])
    request.set(numbers(GUEST), 14)
    request.set(numbers(target), 24)
    network.send(ethernet(ALL, MAC, ETHERTYPE.ARP, request))
    expect(frames.length).toBe(answered ? 1 : 0)
    if (answered) expect(parseEthernet(frames[0]!)).toMatchObject({ destination: MAC, type: ETHERTYPE.ARP })
  })
  test('echo of the gateway and of nobody else', () => {
    const echo = Uint8Array.of(8, 0, 0, 0, 0, 1, 0, 2, 3, 4)
    guestSends(ipv4(GUEST, HOST, PROTOCOL.ICMP, echo))
    guestSends(ipv4(GUEST, WEB, PROTOCOL.ICMP, echo))
    const [reply, ...rest] = packets()
    expect(rest).toEqual([])
    expect([reply!.payload[0], checksum(reply!.payload), reply!.payload.subarray(4)]).toEqual([0, 0, echo.subarray(4)])
  })
})

describe('DHCP', () => {
  const message = (...options: readonly number[]): Uint8Array => {
    const bytes = new Uint8Array(300)
    bytes.set([1, 1, 6, 0, 1, 2, 3, 4])
    bytes.set(MAC, 28)
    bytes.set([0x63, 0x82, 0x53, 0x63, ...options, 255], 236)
    return bytes
  }
  const ask = (...options: readonly number[]): { readonly kind: number | undefined, readonly address: string } | undefined => {
    network.send(ethernet(ALL, MAC, ETHERTYPE.IPV4, udp(0, 68, 0xffff_ffff, 67, message(...options))))
    const data = packets().map(packet => parseUdp(packet)!.data)[0]
    return data === undefined ? undefined : { kind: data[242], address: ipText(new DataView(data.buffer, data.byteOffset).getUint32(16)) }
  }
  test('the lease', () => {
    expect(ask(53, 1, 1)).toEqual({ kind: 2, address: '10.0.2.15' })
    expect(ask(53, 1, 3, 50, 4, 10, 0, 2, 15, 54, 4, 10, 0, 2, 2)).toEqual({ kind: 5, address: '10.0.2.15' })
    expect(ask(53, 1, 3, 50, 4, 192, 168, 0, 1)).toMatchObject({ kind: 6 })
    expect(ask(53, 1, 3, 54, 4, 10, 0, 2, 99)).toBeUndefined()
    expect(ask(50, 200)).toBeUndefined()
  })
})

describe('DNS', () => {
  const question = (name: string, type = 1): Uint8Array => Uint8Array.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...name.split('.').flatMap(label => [label.length, ...ascii(label)]), 0, 0, type, 0, 1])
  const answer = (): DataView => {
    const { data } = parseUdp(packets()[0]!)!
    return new DataView(data.buffer, data.byteOffset, data.byteLength)
  }
  test('a name that the host knows', () => {
    guestSends(udp(GUEST, 5000, RESOLVER, 53, question('deb.example')))
    expect(requests).toEqual([{ kind: 'resolve', id: 1, name: 'deb.example' }])
    outside('resolved', 1, numbers(WEB, HOST))
    const view = answer()
    expect([view.getUint16(0), view.getUint16(2), view.getUint16(6), view.getUint32(view.byteLength - 20)]).toEqual([0x1234, 0x8180, 2, WEB])
    outside('resolved', 1, numbers(WEB))
    expect(frames).toEqual([])
  })
  test('one that it does not know, IPv6, another type, letters that no host has', () => {
    guestSends(udp(GUEST, 5000, RESOLVER, 53, question('nowhere')))
    outside('resolved', 1)
    expect(answer().getUint16(2)).toBe(0x8183)
    for (const [bytes, flags] of [[question('a.b', 28), 0x8180], [question('a.b', 16), 0x8184], [question('a b;rm'), 0x8183]] as const) {
      guestSends(udp(GUEST, 5000, RESOLVER, 53, bytes))
      expect(answer().getUint16(2)).toBe(flags)
    }
    expect(requests).toHaveLength(1)
  })
})

test('UDP goes out and comes back; the host is its own loopback', () => {
  guestSends(udp(GUEST, 6000, HOST, 123, ascii('time?')))
  expect(requests).toEqual([{ kind: 'datagram', id: 6000, address: '127.0.0.1', port: 123, bytes: ascii('time?') }])
  outside('datagram', 6000, Uint8Array.of(127, 0, 0, 1, 0, 123, ...ascii('now')))
  const [packet] = packets()
  expect([packet!.source, parseUdp(packet!)]).toMatchObject([HOST, { sourcePort: 123, destinationPort: 6000, data: ascii('now') }])
})

describe('TCP', () => {
  const open = (): number => {
    segment(SYN, 999, 0, undefined, { options: [2, 4, 5, 0xb4, 1, 3, 3, 7] })
    expect(requests.splice(0)).toEqual([{ kind: 'connect', id: 1, address: '93.184.216.34', port: 80 }])
    outside('connected', 1)
    const [synAck] = segments()
    expect(synAck).toMatchObject({ flags: SYN | ACK, acknowledgement: 1000, mss: 1460, windowScale: 3 })
    const next = (synAck!.sequence + 1) >>> 0
    segment(ACK, 1000, next)
    expect([frames, requests]).toEqual([[], []])
    return next
  }

  test('both ways, and an end that the guest begins', () => {
    const next = open()
    segment(ACK | PSH, 1000, next, ascii('GET'))
    expect(requests.splice(0)).toEqual([{ kind: 'send', id: 1, bytes: ascii('GET') }])
    expect(segments()).toMatchObject([{ flags: ACK, acknowledgement: 1003 }])
    outside('data', 1, new Uint8Array(3000).fill(7))
    expect(segments().map(({ data, flags }) => [data.length, flags & PSH])).toEqual([[1460, 0], [1460, 0], [80, PSH]])
    segment(ACK, 1003, (next + 3000) >>> 0)
    expect(requests.splice(0)).toEqual([{ kind: 'taken', id: 1, count: 3000 }])
    segment(FIN | ACK, 1003, (next + 3000) >>> 0)
    expect(requests.splice(0)).toEqual([{ kind: 'finish', id: 1 }])
    expect(segments()).toMatchObject([{ acknowledgement: 1004 }])
    outside('end', 1)
    expect(segments()).toMatchObject([{ flags: FIN | ACK, sequence: (next + 3000) >>> 0 }])
    segment(ACK, 1004, (next + 3001) >>> 0)
    expect(requests).toEqual([{ kind: 'abort', id: 1 }])
    segment(ACK, 1004, (next + 3001) >>> 0)
    expect(segments()).toMatchObject([{ flags: RST }])
  })

  test('an end that the host begins, with bytes before it', () => {
    const next = open()
    outside('data', 1, ascii('last'))
    outside('end', 1)
    expect(segments().map(({ flags }) => flags & FIN)).toEqual([0, FIN])
    segment(ACK, 1000, (next + 5) >>> 0)
    segment(ACK, 1000, (next + 5) >>> 0, ascii('more'))
    expect(segments()).toMatchObject([{ flags: ACK, sequence: (next + 5) >>> 0, acknowledgement: 1004 }])
    segment(FIN | ACK, 1004, (next + 5) >>> 0)
    expect(requests.at(-1)).toEqual({ kind: 'abort', id: 1 })
  })

  test('segments again, out of order, and half known', () => {
    const next = open()
    segment(ACK, 1003, next, ascii('later'))
    expect([requests, segments()]).toMatchObject([[], [{ acknowledgement: 1000 }]])
    segment(ACK, 1000, next, ascii('abc'))
    segment(ACK, 1000, next, ascii('abcde'))
    expect(requests).toMatchObject([{ bytes: ascii('abc') }, { bytes: ascii('de') }])
    expect(segments().at(-1)).toMatchObject({ acknowledgement: 1005 })
  })

  test('the guest\'s window holds, and what is lost is sent again', () => {
    const next = open()
    segment(ACK, 1000, next, undefined, { window: 8 }) // 8 << 7
    outside('data', 1, Uint8Array.from({ length: 2000 }, (_, i) => i & 0xff))
    expect(segments().map(({ data }) => data.length)).toEqual([1024])
    for (let i = 0; i < 4; i++) outside('tick', 0)
    expect(segments()).toMatchObject([{ sequence: next }])
    segment(ACK, 1000, (next + 1024) >>> 0, undefined, { window: 100 })
    expect(segments()).toMatchObject([{ sequence: (next + 1024) >>> 0, data: Uint8Array.from({ length: 976 }, (_, i) => (i + 1024) & 0xff) }])
  })

  test('the host\'s window: bytes that it has not taken close it', () => {
    const next = open()
    let at = 1000
    for (let i = 0; i < 400; i++, at += 1000) segment(ACK, at, next, new Uint8Array(1000))
    const sent = requests.splice(0).reduce((sum, request) => sum + (request.kind === 'send' ? request.bytes.length : 0), 0)
    expect(sent).toBe(256 * 1024)
    expect(segments().at(-1)!.window).toBe(0)
    outside('sent', 1, numbers(sent))
    expect(segments().at(-1)!.window).toBe(256 * 1024 / 8)
  })

  test('refused, broken, given up', () => {
    segment(SYN, 5)
    outside('refused', 1)
    expect(segments()).toMatchObject([{ flags: RST | ACK, acknowledgement: 6 }])
    segment(SYN, 5)
    outside('connected', 2)
    frames.length = 0
    for (let i = 0; i < 61; i++) outside('tick', 0)
    expect(segments().at(-1)).toMatchObject({ flags: RST | ACK })
    expect(requests.at(-1)).toEqual({ kind: 'abort', id: 2 })
    segment(ACK, 5, 6)
    expect(segments()).toMatchObject([{ flags: RST, sequence: 6 }])
  })

  test('delayed acknowledgements: every second full segment, with data, or when the host has read', () => {
    network = new UserNetwork({ host: { request: request => { requests.push(request) } }, forwards: [], delayedAcknowledgements: true, frame: frame => { frames.push(frame) } })
    segment(SYN, 1000, 0, undefined, { options: [2, 4, 1460 >>> 8, 1460 & 0xff] })
    const { id } = requests.at(-1) as { readonly id: number }
    outside('connected', id)
    const ours = (segments()[0]!.sequence + 1) >>> 0, full = new Uint8Array(1460)
    segment(ACK, 1001, ours)
    segment(ACK, 1001, ours, full)
    expect(segments()).toEqual([])
    segment(ACK, 2461, ours, full)
    expect(segments()).toMatchObject([{ flags: ACK, acknowledgement: 3921, data: new Uint8Array(0) }])
    segment(ACK, 3921, ours, ascii('a'))
    outside('data', id, ascii('b'))
    outside('sent', id, numbers(2921))
    expect(segments()).toMatchObject([{ acknowledgement: 3922, data: ascii('b') }])
    segment(ACK, 3922, ours + 1, ascii('c'))
    outside('sent', id, numbers(1))
    expect(segments()).toMatchObject([{ flags: ACK, acknowledgement: 3923 }])
    segment(FIN | ACK, 3923, ours + 1)
    expect(segments()).toMatchObject([{ flags: ACK, acknowledgement: 3924 }])
  })

  test('a forwarded port', () => {
    outside('incoming', 2 ** 31, numbers(0))
    expect(requests).toEqual([{ kind: 'abort', id: 2 ** 31 }]) // nobody is there yet
    guestSends(ipv4(GUEST, HOST, PROTOCOL.ICMP, new Uint8Array(8)))
    frames.length = requests.length = 0
    outside('incoming', 2 ** 31 + 1, numbers(0))
    outside('data', 2 ** 31 + 1, ascii('GET'))
    const [syn] = segments()
    expect(syn).toMatchObject({ flags: SYN, destinationPort: 80 })
    const ports = [80, syn!.sourcePort] as const, next = (syn!.sequence + 1) >>> 0
    segment(SYN | ACK, 77, next, undefined, { destination: HOST, ports })
    expect(segments()).toMatchObject([{ flags: ACK, sequence: next, acknowledgement: 78 }, { data: ascii('GET'), sequence: next }])
    segment(ACK, 78, (next + 3) >>> 0, ascii('200'), { destination: HOST, ports })
    expect(requests).toMatchObject([{ kind: 'taken', count: 3 }, { kind: 'send', bytes: ascii('200') }])
  })
})
