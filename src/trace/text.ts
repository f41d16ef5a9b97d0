/**
 * The trace as lines in the form of `trace-cmd report`, with the names of KVM's trace points for arm64 (arch/arm64/kvm/trace_arm.h and
 * trace_handle_exit.h, include/trace/events/kvm.h): what reads a trace of KVM on a real machine reads this. `nidus_*` are our own.
 *
 *   vm0/vcpu1/L2     [001]     0.000123456: kvm_exit: TRAP: HSR_EC: 0x0016 (HVC64), PC: 0x0000000040205ed8
 *
 * Time is the PE's clock in seconds of virtual time.
 */
import { EC, ecOf, issOf, parseSystemRegister } from '../arch/esr.ts'
import { elOf } from '../arch/pstate.ts'
import type { ExceptionEvent, ExitEvent, L0Event, Level, TraceEvent } from './event.ts'
import { describeException, NO_VM, reasonOf } from './timeline.ts'

export const EVENT_NAMES = [
  'kvm_entry', 'kvm_exit', 'kvm_guest_fault', 'kvm_wfx_arm64', 'kvm_hvc_arm64', 'kvm_sys_access', 'kvm_mmio', 'kvm_forward_sysreg_trap', 'kvm_inject_nested_exception', 'kvm_nested_eret',
  'vgic_update_irq_pending', 'nidus_handled', 'nidus_marker',
] as const
export type EventName = (typeof EVENT_NAMES)[number]

/** Exception classes as KVM prints them: the suffixes of ESR_ELx_EC_*. */
const CLASSES: Readonly<Record<number, string>> = {
  [EC.Unknown]: 'UNKNOWN', [EC.WFx]: 'WFx', [EC.FPAdvSIMD]: 'FP_ASIMD', [EC.PAuth]: 'PAC', [EC.IllegalState]: 'ILL', [EC.SVC64]: 'SVC64', [EC.HVC64]: 'HVC64', [EC.SMC64]: 'SMC64',
  [EC.SystemRegister]: 'SYS64', [EC.ERET]: 'ERET', [EC.PACFail]: 'FPAC', [EC.InstructionAbortLower]: 'IABT_LOW', [EC.InstructionAbortSame]: 'IABT_CUR', [EC.PCAlignment]: 'PC_ALIGN',
  [EC.DataAbortLower]: 'DABT_LOW', [EC.DataAbortSame]: 'DABT_CUR', [EC.SPAlignment]: 'SP_ALIGN', [EC.FPException]: 'FP_EXC64', [EC.SError]: 'SERROR', [EC.BreakpointLower]: 'BREAKPT_LOW',
  [EC.SoftwareStepLower]: 'SOFTSTP_LOW', [EC.WatchpointLower]: 'WATCHPT_LOW', [EC.BRK64]: 'BRK64',
}
const TYPES = { sync: 'TRAP', irq: 'IRQ', fiq: 'IRQ', serror: 'EL1_SERROR' } as const
const MODES: Readonly<Record<number, string>> = { 0: 'EL0t', 4: 'EL1t', 5: 'EL1h', 8: 'EL2t', 9: 'EL2h' }

const hex = (value: bigint | number, digits = 0): string => value.toString(16).padStart(digits, '0')
const address = (value: bigint | number): string => `0x${hex(value, 16)}`
const mode = (pstate: number): string => MODES[pstate & 0xf] ?? `EL${elOf(pstate)}`

interface Place { readonly vm: number, readonly vcpu: number, readonly level: Level }

export interface TextTraceOptions {
  readonly write: (line: string) => void
  /** Exits from these levels and entries to them; all if undefined. */
  readonly levels?: readonly Level[] | undefined
  readonly events?: readonly EventName[] | undefined
  /** Whether lines are wanted now; always if undefined. */
  readonly open?: () => boolean
}

export class TextTrace {
  readonly #write: (line: string) => void
  readonly #levels: ReadonlySet<Level> | undefined
  readonly #events: ReadonlySet<EventName> | undefined
  readonly #open: () => boolean
  /** Of each PE: the exception that is being handled, the steps of its handling, and what runs there or is about to. */
  readonly #exception = new Map<number, { readonly event: ExceptionEvent, readonly cycles: number }>()
  readonly #steps = new Map<number, { readonly event: L0Event, readonly cycles: number }[]>()
  readonly #running = new Map<number, Place>()
  readonly #next = new Map<number, Place>()

  constructor({ write, levels, events, open }: TextTraceOptions) {
    this.#open = open ?? (() => true)
    this.#write = write
    this.#levels = levels === undefined ? undefined : new Set(levels)
    this.#events = events === undefined ? undefined : new Set(events)
  }

  readonly sink = (event: TraceEvent, cycles: number): void => {
    const { pe } = event
    switch (event.kind) {
      case 'exception':
        if (event.to !== 2 || event.from === 2) return
        // Nobody has said what became of the last one: software at EL2 that is not L0, or a VM that ended meanwhile.
        this.#settle(pe, undefined, cycles)
        this.#exception.set(pe, { event, cycles })
        break
      case 'exit':
        this.#settle(pe, event, cycles)
        break
      case 'entry':
        this.#next.set(pe, event)
        break
      case 'eret': {
        if (event.from !== 2 || event.to === 2) return
        this.#settle(pe, undefined, cycles)
        const place = this.#next.get(pe) ?? { vm: NO_VM, vcpu: pe, level: 'machine' }
        this.#next.delete(pe)
        this.#running.set(pe, place)
        this.#print('kvm_entry', `PC: ${address(event.pc)}`, place, pe, cycles)
        break
      }
      case 'marker':
        this.#print('nidus_marker', `0x${hex(event.value)}`, this.#running.get(pe) ?? { vm: NO_VM, vcpu: pe, level: 'machine' }, pe, cycles)
        break
      case 'idle': break
      default: {
        const steps = this.#steps.get(pe)
        if (steps === undefined) this.#steps.set(pe, [{ event, cycles }])
        else steps.push({ event, cycles })
      }
    }
  }

  /** Prints an exit, or an exception that L0 said nothing about, with the steps in between. */
  #settle(pe: number, exit: ExitEvent | undefined, now: number): void {
    const open = this.#exception.get(pe), steps = this.#steps.get(pe) ?? []
    this.#exception.delete(pe)
    this.#steps.delete(pe)
    const place: Place = exit ?? this.#running.get(pe) ?? { vm: NO_VM, vcpu: pe, level: 'machine' }
    const cycles = open?.cycles ?? now
    if (open !== undefined) {
      const { event } = open, ec = event.type === 'sync' ? ecOf(exit?.syndrome ?? event.syndrome) : 0
      this.#print('kvm_exit', `${TYPES[event.type]}: HSR_EC: 0x${hex(ec, 4)} (${CLASSES[ec] ?? 'unknown'}), PC: ${address(exit?.pc ?? event.pc)}`, place, pe, cycles)
      if (event.type === 'sync') this.#detail(event, exit, ec, place, cycles)
    }
    for (const { event, cycles: at } of steps) this.#step(event, place, at)
    if (exit !== undefined) this.#print('nidus_handled', `${reasonOf(exit)}: ${exit.action}`, place, pe, now)
  }

  #detail(exception: ExceptionEvent, exit: ExitEvent | undefined, ec: number, place: Place, cycles: number): void {
    const { pe } = exception, syndrome = exit?.syndrome ?? exception.syndrome, pc = exit?.pc ?? exception.pc, iss = issOf(syndrome)
    switch (ec) {
      case EC.WFx: return this.#print('kvm_wfx_arm64', `guest executed wf${(iss & 1) === 0 ? 'i' : 'e'} at: ${address(pc)}`, place, pe, cycles)
      case EC.HVC64: return this.#print('kvm_hvc_arm64', `HVC at ${address(pc)} (imm: 0x${hex(iss & 0xffff)})`, place, pe, cycles)
      case EC.DataAbortLower: case EC.InstructionAbortLower:
        return this.#print('kvm_guest_fault', `ipa 0x${hex(exit?.ipa ?? 0)}, hsr 0x${hex(syndrome, 8)}, hxfar ${address(exception.far)}, pc ${address(pc)}`, place, pe, cycles)
      case EC.SystemRegister: {
        const { key, read } = parseSystemRegister(iss), encoding = `(${key >>> 14},${(key >>> 11) & 7},${(key >>> 7) & 15},${(key >>> 3) & 15},${key & 7})`
        this.#print('kvm_sys_access', `PC: ${hex(pc)} ${exit?.subject ?? describeException(exception).subject} ${encoding} ${read ? 'read' : 'write'}`, place, pe, cycles)
        if (exit?.action === 'inject to vEL2' && exit.level !== 'vEL2') this.#print('kvm_forward_sysreg_trap', `${read ? 'R' : 'W'} ${exit.subject} ${encoding}`, place, pe, cycles)
        return
      }
      default:
    }
  }

  #step(event: L0Event, place: Place, cycles: number): void {
    const { pe } = event
    switch (event.kind) {
      case 'mmio':
        return this.#print('kvm_mmio', `mmio ${event.write ? 'write' : 'read'} len ${event.size} gpa 0x${hex(event.ipa)} val 0x${hex(event.value)}`, place, pe, cycles)
      case 'nested exception':
        return this.#print('kvm_inject_nested_exception', `${event.type === 'sync' ? 'Sync' : event.type.toUpperCase()}: esr_el2 0x${hex(event.syndrome)} elr_el2: 0x${hex(event.pc)} spsr_el2: 0x${hex(event.pstate >>> 0, 8)} (M: ${mode(event.pstate)}) hcr_el2: ${hex(event.hcr)}`, place, pe, cycles)
      case 'nested return':
        return this.#print('kvm_nested_eret', `elr_el2: 0x${hex(event.pc)} spsr_el2: 0x${hex(event.pstate >>> 0, 8)} (M: ${mode(event.pstate)}) hcr_el2: ${hex(event.hcr)}`, place, pe, cycles)
      case 'interrupt':
        return this.#print('vgic_update_irq_pending', `VM: ${event.vm}, VCPU: ${event.vcpu}, IRQ ${event.intid}, level: ${event.level ? 1 : 0}`, place, pe, cycles)
      default:
    }
  }

  #print(name: EventName, text: string, { vm, vcpu, level }: Place, pe: number, cycles: number): void {
    if (!this.#open() || this.#levels?.has(level) === false || this.#events?.has(name) === false) return
    const who = vm === NO_VM ? `cpu${vcpu}/${level}` : `vm${vm}/vcpu${vcpu}/${level}`
    this.#write(`${who.padEnd(16)} [${String(pe).padStart(3, '0')}] ${(cycles / 1e9).toFixed(9).padStart(15)}: ${name}: ${text}`)
  }
}
