import { beforeEach, expect, test } from 'vitest'
import { NetworkPeer, PEER_PORT, TURNAROUND } from './network-peer.ts'

interface Scheduled { readonly kind: string, readonly id: number, readonly bytes: Uint8Array, readonly at: number }
let now: number, scheduled: Scheduled[], peer: NetworkPeer
beforeEach(() => {
  now = 1000
  scheduled = []
  peer = new NetworkPeer({ now: () => now, schedule: (event, at) => { scheduled.push({ ...event, at }) } })
})
const connect = (id: number, port: number, ...words: [number, number]): Scheduled[] => {
  peer.request({ kind: 'connect', id, address: '127.0.0.1', port })
  expect(scheduled.splice(0)).toMatchObject([{ kind: 'connected', id, at: now + TURNAROUND }])
  send(id, new Uint8Array(new Uint32Array(words).buffer))
  return events()
}
const send = (id: number, bytes: Uint8Array): void => { peer.request({ kind: 'send', id, bytes }) }
/** What the guest would see, without what its stack sees. */
const events = (): Scheduled[] => scheduled.splice(0).filter(({ kind }) => kind !== 'sent')

test('TCP_RR: a request a turnaround after the response, then the end', () => {
  const [first] = connect(1, PEER_PORT.rr, 2, 3)
  expect(first).toMatchObject({ kind: 'data', bytes: new Uint8Array(3) })
  now = 500_000
  send(1, new Uint8Array(2))
  expect(events()).toEqual([])
  send(1, new Uint8Array(1))
  const [second] = events()
  expect(second!.at).toBeGreaterThan(now + TURNAROUND)
  expect(second!.at).toBeLessThan(now + TURNAROUND + 10)
  send(1, new Uint8Array(3))
  expect(events()).toMatchObject([{ kind: 'end', id: 1 }])
})

test('what acknowledges comes behind what is answered', () => {
  peer.request({ kind: 'connect', id: 1, address: '', port: PEER_PORT.rr })
  scheduled.length = 0
  send(1, new Uint8Array(new Uint32Array([2, 1]).buffer))
  expect(scheduled.map(({ kind }) => kind)).toEqual(['data', 'sent'])
  expect(scheduled[1]!.at).toBeGreaterThanOrEqual(scheduled[0]!.at)
})

test('TCP_STREAM: never more than the window under way, at the pace of the wire, all of it and the end', () => {
  let got = 0, underWay = 0
  const all: Scheduled[] = [...connect(1, PEER_PORT.stream, 200_000, 0)]
  for (let i = 0; i < all.length; i++) {
    const { kind, bytes } = all[i]!
    if (kind === 'end') break
    got += bytes.length
    underWay = all.slice(i).reduce((sum, event) => sum + event.bytes.length, 0)
    expect(underWay).toBeLessThan(64 * 1024 + 1460)
    peer.request({ kind: 'taken', id: 1, count: bytes.length })
    all.push(...events())
  }
  expect(got).toBe(200_000)
  expect(all.filter(({ kind }) => kind === 'end')).toHaveLength(1)
  expect(all.at(-1)!.at - all[0]!.at).toBeCloseTo((200_000 - 1460) * 1.92 * 1538 / 1460, -1)
})

test('TCP_MAERTS: reads at the pace of the wire, and ends when it has all', () => {
  connect(1, PEER_PORT.maerts, 3000, 0)
  send(1, new Uint8Array(1500))
  expect(events()).toEqual([])
  send(1, new Uint8Array(1500))
  expect(scheduled.at(-1)).toMatchObject({ kind: 'sent', bytes: Uint8Array.of(0, 0, 5, 220) })
  expect(events()).toMatchObject([{ kind: 'end' }])
})

const answer = (status: number, value = ''): Uint8Array => Uint8Array.from([0x81, 0, 0, 0, value === '' ? 0 : 4, 0, 0, status, 0, 0, 0, value === '' ? 0 : 4 + value.length, ...new Uint8Array(12 + (value === '' ? 0 : 4)), ...new TextEncoder().encode(value)])

test('memcached: a SET, then GETs; a value that does not belong to its key is complained of', () => {
  const [set] = connect(1, PEER_PORT.memcached, 3, 7)
  expect([...set!.bytes.subarray(0, 5)]).toEqual([0x80, 1, 0, 12, 8])
  expect(set!.bytes).toHaveLength(24 + 8 + 12 + 32)
  send(1, answer(0))
  const [get] = events(), key = new TextDecoder().decode(get!.bytes.subarray(24))
  expect([...get!.bytes.subarray(0, 5)]).toEqual([0x80, 0, 0, 12, 0])
  expect(key).toMatch(/^memtier-\d{4}$/)
  const right = answer(0, key.repeat(3).slice(0, 32))
  send(1, right.subarray(0, 30))
  expect(events()).toEqual([])
  send(1, right.subarray(30))
  expect(events()).toHaveLength(1)
  expect(peer.complaints).toEqual([])
  send(1, answer(0, 'x'.repeat(32)))
  expect(peer.complaints).toHaveLength(1)
  expect(events()).toMatchObject([{ kind: 'end' }])
})
