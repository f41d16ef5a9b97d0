/**
 * Events of a running machine. The core holds one optional sink and tests it once per event; sinks (counters, text, Perfetto)
 * live in `trace/` and are chosen by `lab/`, `cli/` and tests.
 */
import type { EL } from '../arch/el.ts'

/** Which software a PE is executing, as L0 sees it. */
export type Level = 'machine' | 'L0' | 'vm' | 'vEL2' | 'L1' | 'L2' | 'L3'

export interface ExceptionEvent {
  readonly kind: 'exception'
  readonly pe: number
  /** 'sync' | 'irq' | 'fiq' | 'serror'. */
  readonly type: 'sync' | 'irq' | 'fiq' | 'serror'
  readonly from: EL
  readonly to: EL
  /** Preferred return address. */
  readonly pc: bigint
  /** ESR_ELx value (32 bits); 0 for interrupts. */
  readonly syndrome: number
  readonly far: bigint
  readonly pstate: number
  /** Instructions this PE has executed. */
  readonly instructions: number
}

export interface ReturnEvent { readonly kind: 'eret', readonly pe: number, readonly from: EL, readonly to: EL, readonly pc: bigint, readonly pstate: number, readonly instructions: number }

/** What L0 did with an exit, once per exception to EL2 that L0 handles. */
export interface ExitEvent {
  readonly kind: 'exit'
  readonly pe: number
  readonly vm: number
  readonly vcpu: number
  /** Level that was running when the exit happened. */
  readonly level: Level
  readonly pc: bigint
  readonly syndrome: number
  /** Register or instruction name for system-register exits, otherwise the class: 'HVC', 'ERET', 'stage 2 abort', 'IRQ' ... */
  readonly subject: string
  readonly direction: 'read' | 'write' | null
  /** What was done, in words: 'emulate', 'inject to vEL2', 'enter L2', 'shadow stage 2 fill', ... */
  readonly action: string
  /** IPA of a stage 2 abort; 0 for other exits. */
  readonly ipa: number
}

/** L0 enters a vCPU: the ERET is the next event of this PE. */
export interface EntryEvent { readonly kind: 'entry', readonly pe: number, readonly vm: number, readonly vcpu: number, readonly level: Level, readonly pc: bigint }

/** L0 has nothing to run on this PE and waits for an interrupt. */
export interface IdleEvent { readonly kind: 'idle', readonly pe: number }

// Steps of one exit. They come between its exception and its exit event.

/** L0 takes an exception to virtual EL2. */
export interface NestedExceptionEvent {
  readonly kind: 'nested exception'
  readonly pe: number
  readonly vm: number
  readonly vcpu: number
  readonly type: 'sync' | 'irq' | 'fiq' | 'serror'
  readonly syndrome: number
  /** ELR_EL2 and SPSR_EL2 as L1 sees them. */
  readonly pc: bigint
  readonly pstate: number
  readonly hcr: bigint
}

/** L0 performs an ERET of the guest hypervisor: to `pc` with `pstate`. */
export interface NestedReturnEvent { readonly kind: 'nested return', readonly pe: number, readonly vm: number, readonly vcpu: number, readonly pc: bigint, readonly pstate: number, readonly hcr: bigint }

/** A device access of the guest that the VMM has answered. */
export interface MmioEvent { readonly kind: 'mmio', readonly pe: number, readonly vm: number, readonly vcpu: number, readonly ipa: number, readonly size: number, readonly write: boolean, readonly value: number }

/** A line of a VM's distributor changes, or an SGI is sent (`level` true). `vcpu`: the target of an SGI or PPI, 0 for an SPI. */
export interface InterruptEvent { readonly kind: 'interrupt', readonly pe: number, readonly vm: number, readonly vcpu: number, readonly intid: number, readonly level: boolean }

/** What L0 tells. */
export type L0Event = ExitEvent | EntryEvent | IdleEvent | NestedExceptionEvent | NestedReturnEvent | MmioEvent | InterruptEvent

/** A guest executed the marker hint (HINT #126 with X0 = value); NOP everywhere else. */
export interface MarkerEvent { readonly kind: 'marker', readonly pe: number, readonly value: number, readonly instructions: number
  /** The PE's clock: instructions and charges by the cost model. */
  readonly cycles: number }

export type TraceEvent = ExceptionEvent | ReturnEvent | MarkerEvent | L0Event
/** `cycles`: the PE's clock when it happened (instructions and charges by the cost model). */
export type TraceSink = (event: TraceEvent, cycles: number) => void

/** HINT #126 is in the space of unallocated hints: a NOP on hardware and in QEMU, a probe of the laboratory here. */
export const MARKER_HINT = 126
