import { describe, expect, test } from 'vitest'
import { Random } from './testing/random.ts'
import { encode } from './encode.ts'
import { staticFields, VARIANTS } from './table.ts'
import { createOracleState, Oracle, type OracleState, type Outcome } from './oracle.ts'

interface Setup { readonly [name: string]: bigint }

function put(state: OracleState, setup: Setup): OracleState {
  for (const [name, value] of Object.entries(setup)) {
    const unsigned = BigInt.asUintN(name.startsWith('V') ? 128 : 64, value), n = Number(name.slice(1))
    if (name === 'SP') state.sp = unsigned
    else if (name === 'PC') state.pc = unsigned
    else if (name === 'NZCV') state.nzcv = Number(value)
    else if (name.startsWith('X')) state.x[n] = unsigned
    else state.v[n] = unsigned
  }
  return state
}

/** 4 KiB of memory at 0 in which byte n has the value n & 0xff. */
const memory = () => {
  const bytes = Uint8Array.from({ length: 4096 }, (_, n) => n & 0xff)
  return {
    load: (address: bigint, size: number): bigint | undefined => address + BigInt(size) > 4096n ? undefined
      : bytes.slice(Number(address), Number(address) + size).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n),
    store: (address: bigint, size: number, value: bigint): boolean => {
      if (address + BigInt(size) > 4096n) return false
      for (let i = 0; i < size; i++) bytes[Number(address) + i] = Number((value >> BigInt(8 * i)) & 0xffn)
      return true
    },
  }
}

const cases: readonly (readonly [string, number, Setup, Setup])[] = [
  ['ADDS X0, X1, X2', 0xab020020, { X1: -1n, X2: 1n }, { X0: 0n, NZCV: 0b0110n }],
  ['SUBS W0, W1, W2', 0x6b020020, { X1: 0x8000_0000n, X2: 1n }, { X0: 0x7fff_ffffn, NZCV: 0b0011n }],
  ['CMP X1, #1', 0xf100043f, { X1: 0n }, { NZCV: 0b1000n }],
  ['ADD SP, SP, #16', 0x910043ff, { SP: 0x100n }, { SP: 0x110n }],
  ['AND W0, W1, #0x3c', 0x121e0c20, { X1: -1n }, { X0: 0x3cn }],
  ['MOVK X0, #0x1234, LSL #16', 0xf2a24680, { X0: -1n }, { X0: 0xffff_ffff_1234_ffffn }],
  ['SBFX X0, X1, #4, #8', 0x93442c20, { X1: 0xff0n }, { X0: -1n }],
  ['BFI X0, X1, #8, #8', 0xb3781c20, { X0: 0n, X1: 0x1ffn }, { X0: 0xff00n }],
  ['EXTR X0, X1, X2, #0', 0x93c20020, { X1: 1n, X2: 2n }, { X0: 2n }],
  ['SDIV X0, X1, X2 of MIN by -1', 0x9ac20c20, { X1: 1n << 63n, X2: -1n }, { X0: 1n << 63n }],
  ['UDIV X0, X1, X2 by 0', 0x9ac20820, { X1: 5n }, { X0: 0n }],
  ['CLS X0, X1', 0xdac01420, { X1: -1n }, { X0: 63n }],
  ['CCMP X1, #1, #5, EQ when NE', 0xfa410825, { X1: 1n }, { NZCV: 5n }],
  ['CCMP X1, #1, #5, EQ when EQ', 0xfa410825, { X1: 1n, NZCV: 4n }, { NZCV: 0b0110n }],
  ['CSETM X0, EQ', 0xda9f13e0, { NZCV: 4n }, { X0: -1n }],
  ['ADRP X0, #0x1000', 0xb0000000, { PC: 0x1234n }, { X0: 0x2000n, PC: 0x1238n }],
  ['BL #-4', 0x97ffffff, { PC: 0x100n }, { PC: 0xfcn, X30: 0x104n }],
  ['BLR X30', 0xd63f03c0, { PC: 0x100n, X30: 0x500n }, { PC: 0x500n, X30: 0x104n }],
  ['TBNZ X1, #40, #8', 0xb7400041, { PC: 0x100n, X1: 1n << 40n }, { PC: 0x108n }],
  ['LDRSB W0, [X1, #0x81]', 0x39c20420, { X1: 0n }, { X0: 0xffff_ff81n }],
  ['LDR X0, [X1], #-8', 0xf85f8420, { X1: 0x10n }, { X0: 0x1716_1514_1312_1110n, X1: 8n }],
  ['LDP W0, W2, [SP, #8]', 0x29410be0, { SP: 0x10n }, { X0: 0x1b1a_1918n, X2: 0x1f1e_1d1cn }],
  ['LDPSW X0, X2, [X1]', 0x69400820, { X1: 0x80n }, { X0: 0xffff_ffff_8382_8180n, X2: 0xffff_ffff_8786_8584n }],
  ['LDADD W0, W2, [X1]', 0xb8200022, { X0: 1n, X1: 0x10n }, { X2: 0x1312_1110n }],
  ['CAS W0, W2, [X1], equal', 0x88a07c22, { X0: 0x1312_1110n, X1: 0x10n }, { X0: 0x1312_1110n }],
  ['STXR W0, X2, [X1] without a mark', 0xc8007c22, { X1: 0x10n }, { X0: 1n }],
  ['MOVI V0.2D, #0xff00', 0x6f00e440, {}, { V0: (0xff00n << 64n) | 0xff00n }],
  ['RMIF X1, #1, #15', 0xba00842f, { X1: 0b10100n }, { NZCV: 0b1010n }],
  ['SETF8 W1', 0x3a00082d, { X1: 0x80n, NZCV: 2n }, { NZCV: 0b1011n }],
]

describe('oracle', () => {
  test.each(cases)('%s', (_, word, before, after) => {
    const state = put(createOracleState(), before)
    expect(new Oracle(state, { memory: memory() }).step(word)).toEqual({ kind: 'done' })
    const expected = put(put(createOracleState(), before), after)
    if (after.PC === undefined) expected.pc = (before.PC ?? 0n) + 4n
    expect(state).toEqual(expected)
  })

  test('a fault leaves the registers alone', () => {
    const state = put(createOracleState(), { X0: 7n, X1: 4092n })
    // LDP X0, X2, [X1], #16
    expect(new Oracle(state, { memory: memory() }).step(0xa8c10820)).toEqual({ kind: 'fault', address: 4092n })
    expect(state).toEqual(put(createOracleState(), { X0: 7n, X1: 4092n }))
  })

  test.each([
    ['an undefined word', 0x02000000, { kind: 'undefined' }],
    ['HVC #5', 0xd40000a2, { kind: 'exception', exception: 'HVC', imm16: 5 }],
    ['ERETAB', 0xd69f0fff, { kind: 'exceptionReturn', key: 'IB' }],
    ['MRS X0, MIDR_EL1', 0xd5380000, { kind: 'systemAccess', word: 0xd5380000 }],
    ['MSR DAIFSet, #2', 0xd50342df, { kind: 'writePstate', field: 'DAIFSet', value: 2 }],
    ['the marker hint', 0xd5032fdf, { kind: 'hint', marker: true }],
    ['a load with SP not aligned', 0xf94003e0, { kind: 'SPAlignment' }],
  ] as const)('%s is told to the CPU', (_, word, event) => {
    const state = put(createOracleState(), { SP: 8n })
    expect(new Oracle(state, { memory: memory() }).step(word)).toEqual({ kind: 'event', event })
    expect(state.pc).toBe(0n)
  })

  test('exclusive store after a load of the same address and size', () => {
    const state = put(createOracleState(), { X1: 0x20n, X2: 5n })
    const oracle = new Oracle(state, { memory: memory() })
    expect(oracle.step(0xc85f7c23)).toEqual({ kind: 'done' }) // LDXR X3, [X1]
    expect(oracle.step(0xc8007c22)).toEqual({ kind: 'done' }) // STXR W0, X2, [X1]
    expect(state.x[0]).toBe(0n)
    expect(oracle.step(0xc8007c22)).toEqual({ kind: 'done' })
    expect(state.x[0]).toBe(1n)
  })

  // Every operation of the oracle checks the widths of what it gets, so that running a body checks it.
  test('bodies of all variants keep their widths', () => {
    const r = new Random(3)
    for (const variant of VARIANTS) {
      const { row, statics } = variant
      const mask = staticFields(row).reduce((m, f) => m | ((2 ** f.width - 1) << f.lsb), row.mask)
      let outcome: Outcome | undefined
      for (let i = 0; i < 50 && outcome === undefined; i++) {
        const word = ((r.bits() & ~mask) | encode(row, statics)) >>> 0
        if (!row.defined(Object.fromEntries(row.fields.map(f => [f.name, (word >>> f.lsb) & (2 ** f.width - 1)])))) continue
        const state = createOracleState()
        for (let n = 0; n < 31; n++) state.x[n] = r.bits64()
        outcome = new Oracle(state, { memory: { load: () => 0n, store: () => true }, checkSP: false }).run(variant, word)
      }
      expect(outcome, row.name).toBeDefined()
    }
  })
})
