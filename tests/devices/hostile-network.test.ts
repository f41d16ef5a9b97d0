/**
 * Guests that send any frames, with a host that answers anything: nothing throws, and what a guest can make us keep is bounded. NIDUS_DEVICE_CASES:
 * number of guests, of up to 60 frames each.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ethernet, ETHERTYPE, ip, ipv4, parseEthernet, tcp, udp } from '../../src/devices/net/packets.ts'
import { UserNetwork } from '../../src/devices/net/user-network.ts'
import type { HostRequest } from '../../src/devices/index.ts'

const CASES = Number(process.env['NIDUS_DEVICE_CASES'] ?? process.env['NIDUS_FUZZ'] ?? 400)
const MAC = Uint8Array.of(0x52, 0x54, 0, 1, 2, 3)
const GUEST = ip(10, 0, 2, 15)
const address = fc.constantFrom(ip(10, 0, 2, 2), ip(10, 0, 2, 3), GUEST, ip(10, 0, 2, 255), ip(127, 0, 0, 1), 0, 0xffff_ffff, ip(224, 0, 0, 1), ip(8, 8, 8, 8))
const port = fc.oneof(fc.constantFrom(53, 67, 68, 80, 0), fc.nat(0xffff)), near = fc.oneof(fc.nat(8).map(n => n + 1000), fc.nat(8), fc.nat(0xffff_ffff)), data = fc.uint8Array({ maxLength: 60 })
const source = fc.oneof({ weight: 8, arbitrary: fc.constant(GUEST) }, { weight: 1, arbitrary: address })
const packet = fc.oneof(
  { weight: 6, arbitrary: fc.record({
    source, sourcePort: fc.nat(3), destination: address, destinationPort: fc.constantFrom(80, 81), sequence: near, acknowledgement: near, flags: fc.nat(63), window: fc.oneof(fc.nat(8), fc.nat(0xffff)),
    options: fc.array(fc.nat(255), { minLength: 1, maxLength: 10 }).map(list => [...list, ...Array.from({ length: (4 - list.length % 4) % 4 }, () => 0)]), data,
  }).map(tcp) },
  { weight: 3, arbitrary: fc.tuple(source, port, address, port, data).map(([from, fromPort, to, toPort, bytes]) => udp(from, fromPort, to, toPort, bytes)) },
  { weight: 1, arbitrary: fc.tuple(source, address, fc.nat(255), data).map(([from, to, protocol, bytes]) => ipv4(from, to, protocol, bytes)) },
)
const frame = fc.oneof(
  { weight: 8, arbitrary: packet.map(bytes => ethernet(new Uint8Array(6), MAC, ETHERTYPE.IPV4, bytes)) },
  { weight: 1, arbitrary: data.map(bytes => ethernet(new Uint8Array(6), MAC, ETHERTYPE.ARP, bytes)) },
  { weight: 1, arbitrary: data },
  // Changed, cut.
  { weight: 2, arbitrary: fc.tuple(packet, fc.nat(60), fc.nat(255), fc.nat(80)).map(([bytes, at, value, length]) => {
    const whole = ethernet(new Uint8Array(6), MAC, ETHERTYPE.IPV4, bytes)
    whole[at % whole.length] = value
    return whole.subarray(0, Math.max(1, whole.length - length % 3 * 10))
  }) },
)
const step = fc.oneof(
  { weight: 4, arbitrary: frame.map(bytes => ({ kind: 'frame' as const, bytes })) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('outside' as const), event: fc.constantFrom('connected', 'refused', 'data', 'end', 'reset', 'sent', 'incoming', 'resolved', 'datagram', 'tick', 'nothing'), id: fc.oneof(fc.nat(6), fc.constantFrom(2 ** 31, 2 ** 31 + 1, 2 ** 40)), bytes: fc.oneof(data, fc.constant(new Uint8Array(5000)), fc.constant(new Uint8Array(4))) }) },
)

test('generated guests', { timeout: 600_000 }, () => {
  fc.assert(fc.property(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), steps => {
    const frames: Uint8Array[] = [], requests: HostRequest[] = []
    const network = new UserNetwork({ host: { request: request => { requests.push(request) } }, forwards: [{ hostAddress: '127.0.0.1', hostPort: 1, guestPort: 80 }], frame: bytes => { frames.push(bytes) } })
    for (const each of steps) {
      if (each.kind === 'frame') network.send(each.bytes)
      else network.outside({ device: 'network0', kind: each.event, id: each.id, bytes: each.bytes })
    }
    expect(frames.every(bytes => bytes.length <= 1514 && parseEthernet(bytes) !== undefined)).toBe(true)
    // A name that reaches the host's resolver is one of a host.
    for (const request of requests) if (request.kind === 'resolve') expect(request.name).toMatch(/^[\w.-]+$/)
    network.restore(JSON.parse(JSON.stringify(network.save())))
  }), { numRuns: CASES })
})
