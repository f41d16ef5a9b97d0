/** Everything of a machine that decides what it does next, as plain data (design D9). What L0 keeps in TypeScript is not in it. */
import type { PE, PowerState, Waiting } from '../cpu/pe.ts'
import type { PECounters } from '../cpu/pe.ts'
import type { Pages } from './page-store.ts'
import type { CutTurn } from './run-loop.ts'

export interface PESnapshot {
  /** The engine's state of the PE, and its system registers. */
  readonly block: Uint8Array
  readonly instructions: number
  readonly registers: Uint8Array
  readonly power: PowerState
  readonly start: { readonly entry: bigint, readonly context: bigint } | undefined
  readonly waiting: Waiting
  readonly waitUntil: number
  readonly event: boolean
  readonly charged: number
  readonly slept: number
  readonly changedAt: number
  readonly timerLevels: readonly boolean[]
  readonly counters: PECounters
}

export interface Snapshot {
  readonly format: 1
  /** What the machine is made of: restoring needs the same. */
  readonly machine: string
  readonly pes: readonly PESnapshot[]
  readonly distributor: unknown
  readonly interfaces: readonly unknown[]
  /** By name. */
  readonly devices: Readonly<Record<string, unknown>>
  readonly pmu: readonly (readonly number[])[]
  readonly lastCount: number
  readonly cut: CutTurn | undefined
  readonly hash: { readonly a: number, readonly b: number } | undefined
  readonly pages: Pages
}

/** The part of a PE that is in TypeScript. */
export function savePE(pe: PE, engine: { savePe(pe: number): { readonly block: Uint8Array, readonly instructions: number } }): PESnapshot {
  const { u64 } = pe.file
  return {
    ...engine.savePe(pe.index), registers: new Uint8Array(u64.buffer, u64.byteOffset, u64.byteLength).slice(),
    power: pe.power, start: pe.start, waiting: pe.waiting, waitUntil: pe.waitUntil, event: pe.event, charged: pe.charged, slept: pe.slept, changedAt: pe.changedAt,
    timerLevels: pe.timers.save(), counters: structuredClone(pe.counters),
  }
}

export function restorePE(pe: PE, saved: PESnapshot): void {
  const { u64 } = pe.file
  new Uint8Array(u64.buffer, u64.byteOffset, u64.byteLength).set(saved.registers)
  pe.power = saved.power
  pe.start = saved.start
  pe.waiting = saved.waiting
  pe.waitUntil = saved.waitUntil
  pe.event = saved.event
  pe.charged = saved.charged
  pe.slept = saved.slept
  pe.changedAt = saved.changedAt
  pe.counters = structuredClone(saved.counters)
  pe.registersReplaced()
}
