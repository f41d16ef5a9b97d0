/**
 * The user-mode network of one guest, as QEMU's: 10.0.2.0/24 with the host as 10.0.2.2 (gateway; connections to it go to the host's own 127.0.0.1), a
 * resolver at 10.0.2.3 and the guest at 10.0.2.15. ARP, DHCP, DNS, echo of the gateway, UDP and TCP. What the host answers comes as outside events:
 *
 *   connected, refused, data, end, reset, sent (4 bytes: count)   of a connection   incoming (4 bytes: index of the forward)
 *   resolved (4 bytes per address)   datagram (4 bytes address, 2 bytes port, data; id is the guest's port)   tick
 */
import type { HostNetwork, OutsideEvent, PortForward } from '../plug.ts'
import { fieldsOf, integerIn, integersIn } from '../saved-state.ts'
import { Connection } from './connection.ts'
import { dhcpReply } from './dhcp.ts'
import { dnsAnswer, parseQuestion, RCODE, type Question } from './dns.ts'
import {
  arpReply, echoReply, ETHERTYPE, ethernet, ip, ipText, ipv4, parseArp, parseEthernet, parseIpv4, parseTcp, parseUdp, PROTOCOL, TCP_FLAG, tcp, udp, type Ip, type Ipv4, type Tcp,
} from './packets.ts'

const HOST = ip(10, 0, 2, 2), RESOLVER = ip(10, 0, 2, 3), GUEST = ip(10, 0, 2, 15), MASK = ip(255, 255, 255, 0), BROADCAST = 0xffff_ffff
const LOOPBACK = '127.0.0.1', LOOPBACK_IP = ip(127, 0, 0, 1)
const OWN_MAC = Uint8Array.of(0x52, 0x55, 10, 0, 2, 2), EVERYBODY = new Uint8Array(6).fill(0xff)
const DNS_PORT = 53, DHCP_SERVER = 67, DHCP_CLIENT = 68
const MOST_CONNECTIONS = 1024, MOST_QUESTIONS = 256
const LARGEST_DATAGRAM = 1472
/** Ids of connections that the host makes. */
const HOST_IDS = 2 ** 31
const FIRST_EPHEMERAL = 49_152

export interface UserNetworkOptions {
  readonly host: HostNetwork
  readonly forwards: readonly PortForward[]
  readonly delayedAcknowledgements?: boolean
  /** A frame for the guest. */
  readonly frame: (frame: Uint8Array) => void
}

interface Asked { readonly question: Question, readonly port: number }

export class UserNetwork {
  readonly #options: UserNetworkOptions
  /** Undefined: nothing has been heard of the guest. */
  #guestMac: Uint8Array | undefined
  readonly #connections = new Map<number, Connection>()
  /** Ids by addresses and ports. */
  readonly #byAddress = new Map<string, number>()
  readonly #questions = new Map<number, Asked>()
  #nextId = 1

  constructor(options: UserNetworkOptions) {
    this.#options = options
    if (options.forwards.length > 0) options.host.request({ kind: 'listen', forwards: options.forwards })
  }

  // ---- from the guest ----

  /** A frame of the guest's; what makes no sense is dropped. */
  send(bytes: Uint8Array): void {
    const frame = parseEthernet(bytes)
    if (frame === undefined || (frame.source[0]! & 1) !== 0) return
    this.#guestMac = frame.source.slice()
    if (frame.type === ETHERTYPE.ARP) {
      const arp = parseArp(frame.payload)
      if (arp?.operation === 1 && (arp.targetIp === HOST || arp.targetIp === RESOLVER)) this.#options.frame(ethernet(arp.senderMac, OWN_MAC, ETHERTYPE.ARP, arpReply(OWN_MAC, arp.targetIp, arp)))
    } else if (frame.type === ETHERTYPE.IPV4) {
      const packet = parseIpv4(frame.payload)
      if (packet !== undefined) this.#packet(packet)
    }
  }

  #packet(packet: Ipv4): void {
    const { destination, protocol } = packet
    if (protocol === PROTOCOL.UDP) return this.#udp(packet)
    // Only DHCP is sent before there is an address, or to everybody.
    if (packet.source !== GUEST || destination === BROADCAST || destination >>> 28 === 14) return
    if (protocol === PROTOCOL.TCP) {
      const segment = parseTcp(packet)
      if (segment !== undefined) this.#tcp(destination, segment)
    } else if (protocol === PROTOCOL.ICMP && (destination === HOST || destination === RESOLVER)) {
      const reply = echoReply(packet)
      if (reply !== undefined) this.#toGuest(ipv4(destination, packet.source, PROTOCOL.ICMP, reply))
    }
  }

  #udp(packet: Ipv4): void {
    const datagram = parseUdp(packet)
    if (datagram === undefined) return
    const { destination } = packet, { sourcePort, destinationPort, data } = datagram
    if (destinationPort === DHCP_SERVER && (destination === BROADCAST || destination === HOST)) {
      const reply = dhcpReply(data, { address: GUEST, mask: MASK, server: HOST, router: HOST, resolver: RESOLVER })
      if (reply !== undefined) this.#toGuest(udp(HOST, DHCP_SERVER, BROADCAST, DHCP_CLIENT, reply))
      return
    }
    if (packet.source !== GUEST || destination === BROADCAST || destination >>> 28 === 14 || destination === ip(10, 0, 2, 255)) return
    if (destination === RESOLVER) {
      if (destinationPort === DNS_PORT) this.#resolve(data, sourcePort)
      return
    }
    this.#options.host.request({ kind: 'datagram', id: sourcePort, address: this.#address(destination), port: destinationPort, bytes: data.slice() })
  }

  #resolve(message: Uint8Array, port: number): void {
    const question = parseQuestion(message)
    if (question === undefined) return
    const answer = (code: number): void => { this.#toGuest(udp(RESOLVER, DNS_PORT, GUEST, port, dnsAnswer(question, code))) }
    // There is no IPv6 on this network.
    if (question.kind === 'address6') return answer(RCODE.NOERROR)
    if (question.kind === 'other') return answer(RCODE.NOTIMP)
    if (question.name === undefined) return answer(RCODE.NXDOMAIN)
    if (this.#questions.size >= MOST_QUESTIONS) return answer(RCODE.SERVFAIL)
    const id = this.#nextId++ % HOST_IDS
    this.#questions.set(id, { question, port })
    this.#options.host.request({ kind: 'resolve', id, name: question.name })
  }

  #tcp(peer: Ip, segment: Tcp): void {
    const key = keyOf(peer, segment.destinationPort, segment.sourcePort), id = this.#byAddress.get(key), found = id === undefined ? undefined : this.#connections.get(id)
    if (found !== undefined) return found.segment(segment)
    if ((segment.flags & TCP_FLAG.RST) !== 0) return
    const isOpening = (segment.flags & (TCP_FLAG.SYN | TCP_FLAG.ACK)) === TCP_FLAG.SYN
    if (!isOpening || this.#connections.size >= MOST_CONNECTIONS || peer === RESOLVER) return this.#refuse(peer, segment)
    this.#connection(this.#nextId++ % HOST_IDS, peer, segment.destinationPort, segment.sourcePort).accept(segment, this.#address(peer))
  }

  #connection(id: number, peer: Ip, peerPort: number, guestPort: number): Connection {
    const key = keyOf(peer, peerPort, guestPort)
    const connection = new Connection({
      id, guest: GUEST, guestPort, peer, peerPort, initialSequence: Math.imul(id, 64_000), delayed: this.#options.delayedAcknowledgements ?? false, packet: packet => { this.#toGuest(packet) }, request: request => { this.#options.host.request(request) },
      gone: () => {
        this.#connections.delete(id)
        this.#byAddress.delete(key)
      },
    })
    this.#connections.set(id, connection)
    this.#byAddress.set(key, id)
    return connection
  }

  /** RFC 9293, 3.10.7.1: a segment for no connection. */
  #refuse(peer: Ip, { sourcePort, destinationPort, sequence, acknowledgement, flags, data }: Tcp): void {
    const hasAck = (flags & TCP_FLAG.ACK) !== 0, length = data.length + ((flags & TCP_FLAG.SYN) !== 0 ? 1 : 0) + ((flags & TCP_FLAG.FIN) !== 0 ? 1 : 0)
    this.#toGuest(tcp({
      source: peer, sourcePort: destinationPort, destination: GUEST, destinationPort: sourcePort, window: 0,
      ...(hasAck ? { flags: TCP_FLAG.RST, sequence: acknowledgement, acknowledgement: 0 } : { flags: TCP_FLAG.RST | TCP_FLAG.ACK, sequence: 0, acknowledgement: (sequence + length) >>> 0 }),
    }))
  }

  #address(destination: Ip): string { return destination === HOST ? LOOPBACK : ipText(destination) }

  #toGuest(packet: Uint8Array): void { this.#options.frame(ethernet(this.#guestMac ?? EVERYBODY, OWN_MAC, ETHERTYPE.IPV4, packet)) }

  // ---- from the host ----

  outside({ kind, id, bytes }: OutsideEvent): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), connection = this.#connections.get(id)
    switch (kind) {
      case 'connected': connection?.connected(); break
      case 'refused': connection?.refused(); break
      case 'data': connection?.data(bytes); break
      case 'end': connection?.end(); break
      case 'reset': connection?.reset(); break
      case 'sent': if (bytes.length === 4) connection?.taken(view.getUint32(0)); break
      case 'incoming': if (bytes.length === 4) this.#incoming(id, view.getUint32(0)); break
      case 'resolved': this.#resolved(id, bytes); break
      case 'datagram': {
        if (bytes.length < 6 || bytes.length > 6 + LARGEST_DATAGRAM) break
        const from = view.getUint32(0)
        this.#toGuest(udp(from === LOOPBACK_IP ? HOST : from, view.getUint16(4), GUEST, id, bytes.subarray(6)))
        break
      }
      case 'tick': for (const each of this.#connections.values()) each.tick()
    }
  }

  #incoming(id: number, index: number): void {
    const forward = this.#options.forwards[index]
    if (forward === undefined || this.#connections.has(id) || id < HOST_IDS) return
    // Nobody is there, or too much is going on.
    if (this.#guestMac === undefined || this.#connections.size >= MOST_CONNECTIONS) return this.#options.host.request({ kind: 'abort', id })
    this.#connection(id, HOST, FIRST_EPHEMERAL + (id - HOST_IDS) % (65_536 - FIRST_EPHEMERAL), forward.guestPort).call()
  }

  #resolved(id: number, addresses: Uint8Array): void {
    const asked = this.#questions.get(id)
    if (asked === undefined) return
    this.#questions.delete(id)
    this.#toGuest(udp(RESOLVER, DNS_PORT, GUEST, asked.port, dnsAnswer(asked.question, addresses.length === 0 ? RCODE.NXDOMAIN : RCODE.NOERROR, addresses)))
  }

  /** Connections of the host's are not part of a snapshot: the guest finds them reset. */
  save(): unknown { return { guestMac: this.#guestMac === undefined ? [] : [...this.#guestMac], nextId: this.#nextId } }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'network'), mac = integersIn(fields, 'guestMac', 6)
    this.#guestMac = mac.length === 6 ? Uint8Array.from(mac) : undefined
    this.#nextId = integerIn(fields, 'nextId', Number.MAX_SAFE_INTEGER)
    for (const id of this.#connections.keys()) this.#options.host.request({ kind: 'abort', id })
    this.#connections.clear()
    this.#byAddress.clear()
    this.#questions.clear()
  }
}

const keyOf = (peer: Ip, peerPort: number, guestPort: number): string => `${peer} ${peerPort} ${guestPort}`
