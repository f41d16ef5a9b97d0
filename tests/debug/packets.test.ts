/** The GDB protocol against hostile input: nothing throws, memory is bounded, answers are well formed. Counts: NIDUS_FUZZ (default 300). */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Debugger } from '../../src/debug/debugger.ts'
import { PACKET_SIZE, PacketReader, encodePacket, escapeBinary, hexOf, hexToBytes, parseRange, parseThreadId, textToBytes, unescapeBinary } from '../../src/debug/gdb/packet.ts'
import { GdbSession } from '../../src/debug/gdb/session.ts'
import type { Incoming } from '../../src/debug/gdb/packet.ts'
import { createMachine } from '../../src/machine/machine.ts'
import type { Machine } from '../../src/machine/machine.ts'
import { createL0 } from '../../src/vmm/index.ts'

const numRuns = Number(process.env['NIDUS_FUZZ'] ?? 300)
const bytes = fc.uint8Array({ maxLength: 200 })

describe('packets', () => {
  test('any bytes, however they are cut, are the same packets', () => {
    // What looks like a protocol is more interesting than noise.
    const stream = fc.array(fc.oneof(bytes, fc.string().map(text => encodePacket(text.replace(/[$#}*]/g, ''))), fc.constantFrom('+', '-', '\u0003', '$', '#', '$#', '$#00', '#00', '}').map(textToBytes)), { maxLength: 20 })
    fc.assert(fc.property(stream, fc.array(fc.nat(9), { minLength: 1 }), (parts, cuts) => {
      const all = Uint8Array.from(parts.flatMap(part => [...part]))
      const whole = new PacketReader().feed(all)
      const reader = new PacketReader(), cut = []
      for (let at = 0, i = 0; at < all.length; i++) {
        const size = 1 + cuts[i % cuts.length]!
        cut.push(...reader.feed(all.subarray(at, at + size)))
        at += size
      }
      expect(cut).toEqual(whole)
    }), { numRuns })
  })

  test('what is encoded is read back', () => {
    fc.assert(fc.property(bytes, data => {
      const [packet, ...rest] = new PacketReader().feed(encodePacket(escapeBinary(data)))
      expect(rest).toEqual([])
      expect(packet?.kind === 'packet' && unescapeBinary(packet.body)).toEqual(data)
      expect(hexToBytes(hexOf(data))).toEqual(data)
    }), { numRuns })
  })

  test('a packet without end keeps nothing beyond the limit', () => {
    const reader = new PacketReader()
    reader.feed(textToBytes('$'))
    for (let i = 0; i < 40; i++) expect(reader.feed(new Uint8Array(PACKET_SIZE).fill(0x41))).toEqual([])
    expect(reader.feed(textToBytes('#00'))).toEqual([{ kind: 'damaged', why: `a packet of more than ${PACKET_SIZE} bytes` }])
  })

  test('thread-ids and ranges', () => {
    expect(parseThreadId('p3.1')).toEqual({ process: 3, thread: 1 })
    expect(parseThreadId('p-1.-1')).toEqual({ process: -1, thread: -1 })
    expect(parseThreadId('p2')).toEqual({ process: 2, thread: -1 })
    expect(parseThreadId('1a')).toEqual({ process: undefined, thread: 26 })
    for (const wrong of ['', 'p', 'p1.', 'p.1', '-2', 'x', 'p1.2.3', '123456789']) expect(parseThreadId(wrong)).toBeUndefined()
    expect(parseRange('ffff800080000000,4')).toEqual({ address: 0xffff_8000_8000_0000n, length: 4 })
    for (const wrong of ['', ',', '1,', ',1', '1', '10000000000000000,1', '1,123456789']) expect(parseRange(wrong)).toBeUndefined()
  })
})

const guest = (name: string): Uint8Array => readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))
const MEGABYTE = 1 << 20

/** Only what the session must not be asked to do in a loop is left out: running is a step, killing ends it. */
const commands = fc.oneof(
  fc.constantFrom(
    '?', '!', 'g', 'qC', 'qfThreadInfo', 'qsThreadInfo', 'vCont?', 'qSupported:multiprocess+;error-message+;swbreak+;hwbreak+', 'qSupported', 'qXfer:features:read:target.xml:0,fff', 'qXfer:threads:read::0,fff',
    'qXfer:memory-map:read::0,fff', 'qAttached:1', 'qSymbol::', 'R00', 's', 'vCont;s:p2.1;c:p2.-1', 'vCont;s:p3.1', 'vCont;t', 'vAttach;3', 'bs', 'bc', 'Hgp2.1', 'Hgp3.1', 'Hg1', 'QStartNoAckMode',
  ),
  fc.tuple(fc.constantFrom(...'gGpPmMxXZzHTDvqQRcCsSb?!kX'), fc.string({ maxLength: 40 })).map(([a, b]) => a + b).filter(text => text[0] !== 'k' && !text.startsWith('vKill') && text[0] !== 'D' && text[0] !== 'c' && text[0] !== 'C'),
  fc.tuple(fc.constantFrom('m', 'x', 'M', 'X', 'Z0,', 'Z1,', 'Z2,', 'Z3,', 'Z4,', 'z0,', 'z2,'), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.nat(0xffff_ffff)).map(([a, address, length]) => `${a}${address.toString(16)},${length.toString(16)}`),
  fc.tuple(fc.constantFrom('p', 'P'), fc.nat(0x2ff)).map(([a, n]) => a === 'p' ? `p${n.toString(16)}` : `P${n.toString(16)}=00`),
  fc.string({ maxLength: 60 }).map(text => `qRcmd,${hexOf(new TextEncoder().encode(text))}`),
  fc.tuple(fc.constantFrom('xlate ', 'registers ', 'who-trapped ', 'levels ', 'help '), fc.string({ maxLength: 20 })).map(([a, b]) => `qRcmd,${hexOf(new TextEncoder().encode(a + b))}`),
)

/** A nested machine, a session, and what it answers. */
function nested(): { readonly machine: Machine, readonly target: Debugger, readonly text: () => string, readonly ask: (body: string) => readonly Incoming[], readonly session: GdbSession } {
  let text = ''
  const machine = createMachine({
    smp: 1, memBytes: 160 * MEGABYTE, hash: false, console: byte => { text += String.fromCharCode(byte) },
    l0: createL0({ vms: [{ image: guest('mini-kvm-vhe'), initrd: guest('bench'), memBytes: 96 * MEGABYTE, smp: 1, el2: 'vhe', append: 'vcpus=1 -- ops=2 warm=1' }] }),
  })
  const target = new Debugger(machine), reader = new PacketReader()
  let answers: Incoming[] = []
  const session = new GdbSession({ debugger: target, send: packet => { answers.push(...reader.feed(packet)) } })
  const ask = (body: string): readonly Incoming[] => {
    answers = []
    session.receive(encodePacket(textToBytes(body).reduce((all, byte) => all + (byte === 0x24 || byte === 0x23 ? '' : String.fromCharCode(byte)), '')))
    for (let i = 0; session.isRunning && i < 50; i++) session.runSlice({ maxInstructions: 2000 })
    if (session.isRunning) {
      session.receive(Uint8Array.of(3))
      session.runSlice()
    }
    return answers
  }
  return { machine, target, text: () => text, ask, session }
}

function answersAll(ask: (body: string) => readonly Incoming[], session: GdbSession, which: fc.Arbitrary<string>): void {
  fc.assert(fc.property(which, body => {
    const answers = ask(body)
    expect(session.isRunning).toBe(false)
    for (const { kind } of answers) expect(kind).toBe('packet')
    // R has no reply.
    if (!body.startsWith('R')) expect(answers.length).toBeGreaterThan(0)
  }), { numRuns })
}

describe('a session', { timeout: 120_000 }, () => {
  test('answers whatever comes, and its machine does not notice', () => {
    const { machine, target, text, ask, session } = nested()
    answersAll(ask, session, commands.filter(body => !/^[PGMX]/.test(body)))
    target.detach()
    expect(machine.run({ maxInstructions: 1e9 }).kind).toBe('off')
    expect(text()).toContain('mini-kvm: done')
  })

  test('writes what it is told to, wherever that leads', () => {
    const { ask, session } = nested()
    answersAll(ask, session, commands)
  })
})
