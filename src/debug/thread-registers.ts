/**
 * General and FP registers of a thread, wherever they are: on a PE, with L0 while the vCPU waits for a PE, or as they were when the PE went
 * to other software.
 */
import { elOf } from '../arch/pstate.ts'
import { Exceptions } from '../cpu/exception.ts'
import type { State } from '../engine/state.ts'
import { hardwarePstate } from '../hypervisor/vcpu.ts'
import { SLOT } from '../sysreg/index.ts'
import type { Levels, Thread } from './levels.ts'

const MASK = 0xffff_ffff_ffff_ffffn

export interface ThreadRegisters {
  /** `left`: as they were; they cannot be written. */
  readonly kind: 'running' | 'parked' | 'left' | 'not started'
  x(n: number): bigint
  sp(): bigint
  pc(): bigint
  /** As SPSR_ELx shows it, EL2 at virtual EL2. */
  pstate(): number
  v(n: number, half: 0 | 1): bigint
  fpcr(): bigint
  fpsr(): bigint
  setX(n: number, value: bigint): void
  setSp(value: bigint): void
  setPc(value: bigint): void
  /** Flags, DAIF and such; EL and SP selection stay as they are. */
  setPstate(value: number): void
  setV(n: number, half: 0 | 1, value: bigint): void
  setFpcr(value: bigint): void
  setFpsr(value: bigint): void
}

export function registersOf(levels: Levels, thread: Thread): ThreadRegisters {
  const pe = levels.peOf(thread)
  if (pe !== undefined) return running(levels, pe)
  const { vcpu, captured, level } = thread
  const isHere = vcpu !== undefined && (level.kind === 'L1' ? vcpu.context.kind !== 'L2' : vcpu.context.kind === 'L2' && level.table === tableOf(thread))
  if (isHere && vcpu.pe.current !== vcpu) return parked(levels, thread)
  if (captured !== undefined) return fixed('left', captured.state, captured.pc, captured.pstate, captured.file.u64[SLOT.FPCR]!, captured.file.u64[SLOT.FPSR]!)
  return vcpu !== undefined && level.kind === 'L1' ? parked(levels, thread) : fixed('not started', undefined, 0n, 0, 0n, 0n)
}

function tableOf({ vcpu }: Thread): number | undefined {
  const key = vcpu?.context.kind === 'L2' ? vcpu.context.shadow.key : undefined
  return key === undefined ? undefined : Number(key.vttbr & 0xffff_ffff_fffen)
}

/** What the M field of PSTATE is made of stays. */
const MODE_MASK = 0x1f

function running(levels: Levels, pe: number): ThreadRegisters {
  const { machine, l0 } = levels, { cpu } = machine, { engine, core } = cpu, { file } = cpu.pes[pe]!, { state } = engine
  const l0pe = l0?.pes[pe], vcpu = l0pe?.current
  // L0 gives a vCPU the FP registers at its first use of them.
  const fp = l0pe !== undefined && vcpu !== undefined && l0pe.fpOwner !== vcpu ? areaOf(vcpu.fp) : undefined
  const on = <T>(action: () => T): T => levels.on(pe, action)
  const changed = (action: () => void): void => {
    on(() => {
      action()
      cpu.stateChanged()
    })
    cpu.stateChanged()
  }
  return {
    kind: 'running',
    x: n => on(() => state.x(n)), sp: () => on(() => state.sp), pc: () => on(() => state.pc), pstate: () => on(() => levels.pstateOn(pe)),
    v: (n, half) => fp?.v(n, half) ?? on(() => state.v(n, half)),
    fpcr: () => fp?.fpcr() ?? file.u64[SLOT.FPCR]!, fpsr: () => fp?.fpsr() ?? file.u64[SLOT.FPSR]!,
    setX: (n, value) => on(() => state.setX(n, value)), setSp: value => on(() => { state.sp = value }), setPc: value => on(() => { state.pc = value }),
    setPstate: value => changed(() => core.setPstate((value & ~MODE_MASK) | (core.pstate() & MODE_MASK))),
    setV: (n, half, value) => { if (fp === undefined) on(() => state.setV(n, half, value)); else fp.setV(n, half, value) },
    setFpcr: value => { if (fp === undefined) file.u64[SLOT.FPCR] = value & 0x07ff_ffffn; else fp.setFpcr(value) },
    setFpsr: value => { if (fp === undefined) file.u64[SLOT.FPSR] = value & 0xf800_009fn; else fp.setFpsr(value) },
  }
}

/** A vCPU that no PE runs: L0 has its registers. */
function parked(levels: Levels, { vcpu: maybe }: Thread): ThreadRegisters {
  const vcpu = maybe!, { pe } = vcpu, { engine } = levels.machine.cpu
  const owned = pe.fpOwner === vcpu, area = areaOf(vcpu.fp), { file } = levels.machine.cpu.pes[pe.index]!
  const spSlot = (): number => Exceptions.spSlot(hardwarePstate(vcpu.pstate, vcpu.context))
  return {
    kind: 'parked',
    x: n => n === 31 ? 0n : vcpu.x[n]!, sp: () => vcpu.active.u64[spSlot()]!, pc: () => vcpu.pc, pstate: () => vcpu.pstate,
    v: (n, half) => owned ? levels.on(pe.index, () => engine.state.v(n, half)) : area.v(n, half),
    fpcr: () => owned ? file.u64[SLOT.FPCR]! : area.fpcr(), fpsr: () => owned ? file.u64[SLOT.FPSR]! : area.fpsr(),
    setX: (n, value) => { if (n !== 31) vcpu.x[n] = value & MASK }, setSp: value => { vcpu.active.u64[spSlot()] = value & MASK }, setPc: value => { vcpu.pc = value & MASK },
    setPstate: value => { vcpu.pstate = (value & ~MODE_MASK) | (vcpu.pstate & MODE_MASK) },
    setV: (n, half, value) => { if (owned) levels.on(pe.index, () => engine.state.setV(n, half, value)); else area.setV(n, half, value) },
    setFpcr: value => { if (owned) file.u64[SLOT.FPCR] = value & 0x07ff_ffffn; else area.setFpcr(value) },
    setFpsr: value => { if (owned) file.u64[SLOT.FPSR] = value & 0xf800_009fn; else area.setFpsr(value) },
  }
}

function fixed(kind: 'left' | 'not started', state: State | undefined, pc: bigint, pstate: number, fpcr: bigint, fpsr: bigint): ThreadRegisters {
  const refuse = (): never => { throw new Refused(kind === 'left' ? 'these registers are as they were when the PE went to other software: they cannot be written' : 'it has not started yet') }
  return {
    kind, x: n => state?.x(n) ?? 0n, sp: () => state?.sp ?? 0n, pc: () => pc, pstate: () => pstate, v: (n, half) => state?.v(n, half) ?? 0n, fpcr: () => fpcr, fpsr: () => fpsr,
    setX: refuse, setSp: refuse, setPc: refuse, setPstate: refuse, setV: refuse, setFpcr: refuse, setFpsr: refuse,
  }
}

/** The debugger cannot do what it was asked; the message says why. */
export class Refused extends Error {}

/** V registers, FPCR and FPSR as L0 keeps them (`Host.saveFp`). */
function areaOf(bytes: Uint8Array) {
  const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    v: (n: number, half: 0 | 1) => words.getBigUint64(16 * n + 8 * half, true), setV: (n: number, half: 0 | 1, value: bigint) => { words.setBigUint64(16 * n + 8 * half, value, true) },
    fpcr: () => words.getBigUint64(512, true), setFpcr: (value: bigint) => { words.setBigUint64(512, value, true) },
    fpsr: () => words.getBigUint64(520, true), setFpsr: (value: bigint) => { words.setBigUint64(520, value, true) },
  }
}

export const elOfThread = (registers: ThreadRegisters): 0 | 1 | 2 | 3 => elOf(registers.pstate())
