/**
 * The least that an engine needs around it: memory identity-mapped through the TLB, and every request to the CPU handed to one
 * function. For tests and benchmarks of the engine alone.
 */
import type { Feature } from '../../arch/features.ts'
import { FEATURES } from '../../arch/features.ts'
import type { AccessSize } from '../../isa/semantics.ts'
import { ACCESS } from '../callbacks.ts'
import type { Callbacks } from '../callbacks.ts'
import { Engine } from '../engine.ts'
import type { EngineOptions } from '../engine.ts'
import { PAC_KEYS, pointerTable } from '../pointer-codes.ts'
import type { OracleOptions } from '../../isa/oracle.ts'
import { SLOT } from '../../sysreg/index.ts'
import { ENTRY_FLAGS, KIND } from '../tlb.ts'

export type Request =
  | { readonly kind: 'exception', readonly name: string, readonly immediate: number }
  | { readonly kind: 'system' | 'undefined' | 'unimplemented', readonly word: number }
  | { readonly kind: 'fault', readonly address: bigint, readonly write: boolean, readonly size: number, readonly flags: number }
  | { readonly kind: 'fetch fault' | 'spAlignment' | 'fpAccess' | 'marker' }
  | { readonly kind: 'other', readonly name: string, readonly detail: number | string }

export interface FlatOptions {
  readonly ramSize: number
  readonly ramPa?: number
  readonly features?: ReadonlySet<Feature>
  readonly exact?: boolean
  readonly codePages?: number
  readonly barriers?: boolean
  /** As OracleOptions.pauth; without, no key is enabled. */
  readonly pauth?: NonNullable<OracleOptions['pauth']>
  /** Never fill the data TLB: every access takes the slow path. */
  readonly slow?: boolean
  readonly translate?: boolean
  readonly translateAfter?: number
}

export interface Flat {
  readonly engine: Engine
  /** Called for everything that is not RAM; it may redirect or limit. */
  onRequest: (request: Request) => void
}

const virtualAddress = (vaHi: number, vaLo: number): bigint => (BigInt(vaHi >>> 0) << 32n) | BigInt(vaLo >>> 0)

export function createFlat(options: FlatOptions): Flat {
  const flat: { engine: Engine, onRequest: (request: Request) => void } = { engine: undefined as unknown as Engine, onRequest: () => {} }
  const ask = (request: Request): void => { flat.onRequest(request) }
  const inRam = (vaHi: number, vaLo: number, size: number): boolean => vaHi === 0 && flat.engine.ram.contains(vaLo >>> 0, size)
  const accessible = (vaHi: number, vaLo: number, size: number, flags: number): boolean =>
    inRam(vaHi, vaLo, size) && ((flags & (ACCESS.ATOMIC | ACCESS.ORDERED)) === 0 || (vaLo & (size - 1)) === 0)
  const fill = (vaLo: number, kinds: number): void => {
    const { tlb } = flat.engine
    if (options.slow !== true) tlb.fill(tlb.data, kinds, 0, vaLo, vaLo >>> 0, 12, ENTRY_FLAGS.MISALIGNED)
  }
  const callbacks: Callbacks = {
    fetch(vaHi, vaLo) {
      if ((vaLo & 3) === 0 && inRam(vaHi, vaLo, 4)) flat.engine.fillFetch(vaHi, vaLo, vaLo >>> 0, 12)
      else ask({ kind: 'fetch fault' })
    },
    read(vaHi, vaLo, size, flags) {
      const { ram, state } = flat.engine
      if (!accessible(vaHi, vaLo, size, flags)) {
        ask({ kind: 'fault', address: virtualAddress(vaHi, vaLo), write: false, size, flags })
        return
      }
      fill(vaLo, KIND.READ)
      state.data.fill(0)
      new Uint8Array(state.data.buffer, state.data.byteOffset, 16).set(ram.bytes(vaLo >>> 0, size))
    },
    write(vaHi, vaLo, size, flags) {
      const { ram, state } = flat.engine
      if (!accessible(vaHi, vaLo, size, flags)) {
        ask({ kind: 'fault', address: virtualAddress(vaHi, vaLo), write: true, size, flags })
        return
      }
      fill(vaLo, KIND.READ | KIND.WRITE)
      ram.copyIn(vaLo >>> 0, new Uint8Array(state.data.buffer, state.data.byteOffset, size))
    },
    translateExclusive(vaHi, vaLo, size: AccessSize, flags) {
      if (accessible(vaHi, vaLo, size, flags)) return vaLo >>> 0
      ask({ kind: 'fault', address: virtualAddress(vaHi, vaLo), write: true, size, flags })
      return -1
    },
    spAlignment: () => { ask({ kind: 'spAlignment' }) },
    fpAccess: () => { ask({ kind: 'fpAccess' }) },
    system: word => { ask({ kind: 'system', word }) },
    writePstate: (name, detail) => { ask({ kind: 'other', name, detail }) },
    exception: (name, immediate) => { ask({ kind: 'exception', name, immediate }) },
    exceptionReturn: key => { ask({ kind: 'other', name: 'ERET', detail: key ?? '' }) },
    undefined: word => { ask({ kind: 'undefined', word }) },
    unimplemented: word => { ask({ kind: 'unimplemented', word }) },
    wait: name => { ask({ kind: 'other', name, detail: 0 }) },
    sendEvent: local => { ask({ kind: 'other', name: 'SEV', detail: local ? 1 : 0 }) },
    marker: () => { ask({ kind: 'marker' }) },
    barrier: name => { ask({ kind: 'other', name, detail: 0 }) },
    pauthTrap: () => { ask({ kind: 'other', name: 'pauth trap', detail: 0 }) },
  }
  const engineOptions: EngineOptions = {
    ramSize: options.ramSize, features: options.features ?? new Set(FEATURES), callbacks,
    ...(options.ramPa === undefined ? {} : { ramPa: options.ramPa }), ...(options.exact === undefined ? {} : { exact: options.exact }),
    ...(options.translate === undefined ? {} : { translate: options.translate }), ...(options.translateAfter === undefined ? {} : { translateAfter: options.translateAfter }),
    ...(options.codePages === undefined ? {} : { codePages: options.codePages }), ...(options.barriers === undefined ? {} : { barriers: options.barriers }),
  }
  flat.engine = new Engine(engineOptions)
  if (options.pauth !== undefined) {
    const { keys, code, data } = options.pauth, { pointerCodes } = flat.engine, { u64 } = flat.engine.registerFile(0)
    pointerCodes.setKeys(PAC_KEYS.flatMap(key => {
      const low = SLOT[`AP${key}KeyLo_EL1`], high = SLOT[`AP${key}KeyHi_EL1`]
      u64[low] = keys[key].low
      u64[high] = keys[key].high
      return [u64.byteOffset + 8 * low, u64.byteOffset + 8 * high]
    }))
    pointerCodes.setTable(pointerTable([code, data]))
    pointerCodes.enabled = (1 << PAC_KEYS.length) - 1
  }
  const context = flat.engine.tlb.context(1)
  flat.engine.tlb.select(context, context, context)
  return flat
}
