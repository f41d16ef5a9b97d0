/** The transfers of the load/store classes: what moves between memory and a general register, by `size` and `opc`. */
import type { AccessSize, MemoryOptions, Semantics, Width } from '../semantics.ts'

/** Static fields that some of the patterns below have. */
export interface TransferFields { readonly sf: number, readonly opc0: number }

export interface Transfer {
  readonly name: string
  /** Mnemonic and first operand. */
  readonly register: string
  /** Bits 31:30 and 23:22 of the word; `sf` and `opc0` are static fields. */
  readonly size: '00' | '01' | '10' | '1 sf:1'
  readonly opc: '00' | '01' | '10' | '1 opc0:1'
  readonly kind: 'store' | 'load' | 'signed load'
  readonly bytes: (f: TransferFields) => 1 | 2 | 4 | 8
  readonly width: (f: TransferFields) => Width
}

const always = <T>(value: T) => (): T => value
const bySf = <T, U>(word: T, doubleword: U) => (f: { readonly sf: number }): T | U => (f.sf ? doubleword : word)

/** Instruction names are `${name}${suffix}`, e.g. LD + TR + SB: in the manual the suffix follows the addressing mode's letters. */
export const TRANSFERS: readonly Transfer[] = [
  { name: 'ST*B', register: '<Wt>', size: '00', opc: '00', kind: 'store', bytes: always(1), width: always(32) },
  { name: 'LD*B', register: '<Wt>', size: '00', opc: '01', kind: 'load', bytes: always(1), width: always(32) },
  { name: 'LD*SB', register: '<opc0=<Xt>|<Wt>>', size: '00', opc: '1 opc0:1', kind: 'signed load', bytes: always(1), width: f => (f.opc0 ? 32 : 64) },
  { name: 'ST*H', register: '<Wt>', size: '01', opc: '00', kind: 'store', bytes: always(2), width: always(32) },
  { name: 'LD*H', register: '<Wt>', size: '01', opc: '01', kind: 'load', bytes: always(2), width: always(32) },
  { name: 'LD*SH', register: '<opc0=<Xt>|<Wt>>', size: '01', opc: '1 opc0:1', kind: 'signed load', bytes: always(2), width: f => (f.opc0 ? 32 : 64) },
  { name: 'ST*', register: '<Rt>', size: '1 sf:1', opc: '00', kind: 'store', bytes: bySf(4 as const, 8 as const), width: bySf(32 as const, 64 as const) },
  { name: 'LD*', register: '<Rt>', size: '1 sf:1', opc: '01', kind: 'load', bytes: bySf(4 as const, 8 as const), width: bySf(32 as const, 64 as const) },
  { name: 'LD*SW', register: '<Xt>', size: '10', opc: '10', kind: 'signed load', bytes: always(4), width: always(64) },
]

/** Byte, halfword and register-sized forms of exclusives and atomics: suffix, `size` bits and access size. */
export const SIZES = [
  { suffix: 'B', letter: 'W', size: '00', bytes: always(1 as const) },
  { suffix: 'H', letter: 'W', size: '01', bytes: always(2 as const) },
  { suffix: '', letter: 'R', size: '1 sf:1', bytes: bySf(4 as const, 8 as const) },
] as const satisfies readonly { readonly suffix: string, readonly letter: 'W' | 'R', readonly size: string, readonly bytes: (f: TransferFields) => 1 | 2 | 4 | 8 }[]

/** How a data abort's syndrome describes the single-register transfer `t`. */
export function isvOf(t: Transfer, f: TransferFields, ar = false): NonNullable<MemoryOptions['isv']> {
  return { sse: t.kind === 'signed load', Rt: 'Rt', sf: t.width(f) === 64, ar }
}

/** A loaded value (64 bits, zero-extended) as the register receives it. */
export function extendLoaded<V>(s: Semantics<V>, value: V, bytes: AccessSize, width: Width, isSigned: boolean): V {
  if (!isSigned) return width === 32 ? s.truncate(value) : value
  const bits = bytes * 8 as 8 | 16 | 32
  return width === 32 ? s.signExtendBits(32, bits, s.truncate(value)) : s.signExtendBits(64, bits, value)
}

/** A general register as `store` takes it: 64 bits. */
export function storedValue<V>(s: Semantics<V>, name: string, bytes: AccessSize): V {
  return bytes === 8 ? s.X(name, 64) : s.zeroExtend(s.X(name, 32))
}

/** Transfers Rt. `writeback` runs after the access and before Rt is written. */
export function transfer<V>(s: Semantics<V>, t: Transfer, f: TransferFields, address: V, options: MemoryOptions, writeback?: () => void): void {
  const bytes = t.bytes(f), width = t.width(f)
  if (t.kind === 'store') {
    s.store(address, bytes, storedValue(s, 'Rt', bytes), options)
    writeback?.()
  } else {
    const value = extendLoaded(s, s.load(address, bytes, options), bytes, width, t.kind === 'signed load')
    writeback?.()
    s.setX('Rt', width, value)
  }
}
