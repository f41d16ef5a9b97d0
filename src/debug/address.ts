/**
 * Addresses of a thread: its stage 1, the stage 2 of each hypervisor below it, down to the machine's RAM. Looking changes nothing: no access
 * flag is set, no page of L0 is mapped.
 */
import { FSC } from '../arch/esr.ts'
import { elOf } from '../arch/pstate.ts'
import { createRegisterFile } from '../arch/register-file.ts'
import type { RegisterFile } from '../arch/register-file.ts'
import type { PhysicalMemory } from '../hypervisor/host.ts'
import { ACCESS, PERM, Translation, parseStage2, stage1Regime, stage2Regime, translate, walkStage2 } from '../mmu/index.ts'
import type { DescriptorMemory, RegimeKind, Stage2 } from '../mmu/index.ts'
import { SLOT, SLOTS, rowByName } from '../sysreg/index.ts'
import type { Levels, Thread } from './levels.ts'
import { readSystemRegister } from './system-registers.ts'
import { elOfThread, registersOf } from './thread-registers.ts'

const PAGE = 4096
const REGISTERS = [
  'SCTLR_EL1', 'TCR_EL1', 'TTBR0_EL1', 'TTBR1_EL1', 'MAIR_EL1', 'SCTLR_EL2', 'TCR_EL2', 'TTBR0_EL2', 'TTBR1_EL2', 'MAIR_EL2', 'HCR_EL2', 'VTCR_EL2', 'VTTBR_EL2',
] as const
const TCR_E2H = 1n << 34n, HCR_TGE = 1n << 27n

export interface DescriptorRead { readonly address: number, readonly value: bigint }

/** One translation on the way down. */
export interface Step {
  /** 'VA', 'IPA' and whose: what goes in and what comes out. */
  readonly from: string
  readonly to: string
  readonly input: bigint
  /** Undefined after a fault. */
  readonly output: number | undefined
  /** What translates: the registers. */
  readonly by: string
  readonly descriptors: readonly DescriptorRead[]
  readonly startLevel: number
  readonly permissions: string
  readonly attribute: number | undefined
  readonly pageShift: number
  readonly fault: string | undefined
}

/** A space of intermediate addresses and what is below it. */
interface Space {
  readonly name: string
  /** Undefined: this is the machine's PA. */
  readonly below: Space | undefined
  readonly by: string
  readonly stage2: Stage2 | undefined
  /** L0's own: the VM's memory slots decide, its table follows. */
  readonly slots: ((ipa: number) => number | undefined) | undefined
  /** Root of L0's table, shown beside. */
  readonly root: (() => Stage2) | undefined
}

class SpaceMemory implements DescriptorMemory {
  lo = 0
  hi = 0
  readonly reads: DescriptorRead[] = []
  readonly #addresses: Addresses
  readonly #space: Space
  constructor(addresses: Addresses, space: Space) {
    this.#addresses = addresses
    this.#space = space
  }

  read(address: number): boolean {
    const pa = this.#addresses.resolve(this.#space, address), value = pa === undefined ? undefined : this.#addresses.memory.read64(pa)
    if (value === undefined) return false
    this.reads.push({ address, value })
    this.lo = Number(value & 0xffff_ffffn) | 0
    this.hi = Number(value >> 32n) | 0
    return true
  }

  /** Nothing is written: the walk goes on as if it had been. */
  compareAndSwap(): boolean { return true }
}

export class Addresses {
  readonly memory: PhysicalMemory
  readonly #levels: Levels
  readonly #physical: Space = { name: 'PA', below: undefined, by: '', stage2: undefined, slots: undefined, root: undefined }

  constructor(levels: Levels) {
    this.#levels = levels
    this.memory = levels.machine.memory
  }

  // ---- bytes ----

  /** PA of the byte at `va`, and the bytes that follow it in its page; undefined after a fault or outside RAM. */
  locate(thread: Thread, va: bigint): { readonly pa: number, readonly bytes: number } | undefined {
    const view = this.#view(thread), step = this.#stage1(view, va)
    const pa = step.output === undefined ? undefined : this.resolve(view.space, step.output)
    return pa === undefined ? undefined : { pa, bytes: PAGE - Number(va & 0xfffn) }
  }

  /** As many bytes as there are, up to `size`. */
  read(thread: Thread, va: bigint, size: number): Uint8Array {
    const bytes = new Uint8Array(size)
    for (let at = 0; at < size;) {
      const found = this.locate(thread, BigInt.asUintN(64, va + BigInt(at)))
      const part = Math.min(found?.bytes ?? 0, size - at)
      if (found === undefined || !this.memory.readBytes(found.pa, bytes.subarray(at, at + part))) return bytes.subarray(0, at)
      at += part
    }
    return bytes
  }

  /** All of it or nothing. */
  write(thread: Thread, va: bigint, bytes: Uint8Array): boolean {
    const parts: { readonly pa: number, readonly bytes: Uint8Array }[] = []
    for (let at = 0; at < bytes.length;) {
      const found = this.locate(thread, BigInt.asUintN(64, va + BigInt(at)))
      const part = Math.min(found?.bytes ?? 0, bytes.length - at)
      if (found === undefined || !this.memory.isRam(found.pa, part)) return false
      parts.push({ pa: found.pa, bytes: bytes.subarray(at, at + part) })
      at += part
    }
    for (const part of parts) this.memory.writeBytes(part.pa, part.bytes)
    return true
  }

  // ---- the way down ----

  /** All translations of `va`, each with the descriptors it used. */
  trace(thread: Thread, va: bigint): readonly Step[] {
    const view = this.#view(thread), steps = [this.#stage1(view, va)]
    for (let space: Space | undefined = view.space, address = steps[0]!.output; space?.below !== undefined && address !== undefined; space = space.below) {
      const step = this.#stage2(space, address)
      steps.push(step)
      address = step.output
    }
    return steps
  }

  /** PA behind an address of a space. */
  resolve(space: Space, address: number): number | undefined {
    if (space.below === undefined) return address
    const next = space.slots !== undefined ? space.slots(address) : this.#stage2(space, address).output
    return next === undefined ? undefined : this.resolve(space.below, next)
  }

  #stage2(space: Space, address: number): Step {
    const below = space.below!, out = new Translation(), from = space.name, to = below.name
    if (space.slots !== undefined) {
      const pa = space.slots(address), memory = new SpaceMemory(this, this.#physical)
      const mapped = space.root !== undefined && walkStage2(space.root(), address, 0, memory, out)
      return {
        from, to, input: BigInt(address), output: pa, by: space.by, descriptors: memory.reads, startLevel: 1, permissions: mapped ? permissionsOf(out.perms, true) : 'not mapped yet', attribute: undefined,
        pageShift: mapped ? out.pageShift : 0, fault: pa === undefined ? 'not RAM of the VM: a device, or nothing' : undefined,
      }
    }
    const memory = new SpaceMemory(this, below)
    const done = walkStage2(space.stage2!, address, 0, memory, out)
    return {
      from, to, input: BigInt(address), output: done ? out.pa : undefined, by: space.by, descriptors: memory.reads, startLevel: space.stage2!.startLevel, permissions: permissionsOf(out.perms, true),
      attribute: out.attr, pageShift: out.pageShift, fault: done ? undefined : faultText(out),
    }
  }

  #stage1(view: View, va: bigint): Step {
    const stage1 = stage1Regime(view.file, SLOT, view.features, view.kind)
    const memory = new SpaceMemory(this, view.space), out = new Translation()
    const done = translate(stage1, undefined, Number(BigInt.asIntN(64, va) >> 32n) | 0, Number(va & 0xffff_ffffn) | 0, ACCESS.at, memory, out)
    const upper = (va & (1n << 55n)) !== 0n && stage1.upper !== undefined, range = upper ? stage1.upper! : stage1.lower
    const register = `TTBR${upper ? 1 : 0}_${view.kind === 'EL1&0' ? 'EL1' : 'EL2'}`
    return {
      from: `${view.name} VA`, to: view.space.name, input: va, output: done ? out.pa : undefined,
      by: stage1.enabled ? `${register} 0x${view.file.u64[SLOT[register as 'TTBR0_EL1']]!.toString(16)}, ${view.kind} regime` : `stage 1 is off (${view.kind} regime)`,
      descriptors: memory.reads, startLevel: range.startLevel, permissions: permissionsOf(out.perms, stage1.singlePrivilege), attribute: done ? out.attr : undefined, pageShift: out.pageShift,
      fault: done ? undefined : faultText(out),
    }
  }

  #view(thread: Thread): View {
    const levels = this.#levels, { machine, l0 } = levels, { level } = thread
    const registers = registersOf(levels, thread), el = elOfThread(registers), pstate = registers.pstate()
    const file = this.#file(thread), hcr = file.u64[SLOT.HCR_EL2]!
    const e2h = (hcr & TCR_E2H) !== 0n, kind: RegimeKind = elOf(pstate) === 2 ? (e2h ? 'EL2&0' : 'EL2') : el === 0 && e2h && (hcr & HCR_TGE) !== 0n ? 'EL2&0' : 'EL1&0'
    const physical = this.#physical, features = level.vm?.config.features ?? machine.profile.features
    const base = { name: level.name, kind, file, features }
    if (level.kind === 'machine' || (level.kind === 'L1' && l0 === undefined)) {
      const stage2 = kind === 'EL1&0' && machine.cpu.core.el2 ? stage2Regime(file, SLOT, features) : undefined
      return { ...base, space: stage2 === undefined ? physical : { name: 'IPA', below: physical, by: hex('VTTBR_EL2', file.u64[SLOT.VTTBR_EL2]!), stage2, slots: undefined, root: undefined } }
    }
    const { vm, parent } = level
    const own: Space = vm === undefined ? physical : {
      name: `${parent?.name ?? level.name} IPA`, below: physical, by: `L0's table 0x${vm.stage2.root.toString(16)}`, stage2: undefined,
      slots: ipa => vm.memory.ramAt(ipa, 1), root: () => parseStage2(BigInt(vm.stage2.root), machine.cpu.pes[0]!.file.u64[SLOT.VTCR_EL2]!, 0n, machine.profile.features),
    }
    if (level.kind === 'L1') return { ...base, space: own }
    const vttbr = file.u64[SLOT.VTTBR_EL2]!, stage2 = parseStage2(vttbr, file.u64[SLOT.VTCR_EL2]!, hcr, features)
    return { ...base, kind: 'EL1&0', space: { name: `${level.name} IPA`, below: own, by: `${parent!.name}'s ${hex('VTTBR_EL2', vttbr)}`, stage2, slots: undefined, root: undefined } }
  }

  /** The registers that decide about translation, as this level has them. */
  #file(thread: Thread): RegisterFile {
    const levels = this.#levels, file = createRegisterFile(SLOTS), { level } = thread
    // Stage 2 of a nested VM is its hypervisor's.
    const hypervisor = level.kind === 'nested' ? this.#hypervisorOf(thread) : undefined
    for (const name of REGISTERS) {
      const owner = hypervisor !== undefined && name.endsWith('_EL2') ? hypervisor : thread
      file.u64[SLOT[name]] = readSystemRegister(levels, owner, rowByName(name)!) ?? 0n
    }
    if (level.kind !== 'nested') return file
    const { vcpu } = thread, key = vcpu?.context.kind === 'L2' && levels.peOf(thread) !== undefined ? vcpu.context.shadow.key : undefined
    if (key !== undefined) {
      file.u64[SLOT.VTTBR_EL2] = key.vttbr
      file.u64[SLOT.VTCR_EL2] = key.vtcr
    } else if (vcpu === undefined && thread.captured !== undefined && levels.peOf(thread) === undefined) {
      for (const name of ['VTTBR_EL2', 'VTCR_EL2', 'HCR_EL2'] as const) file.u64[SLOT[name]] = thread.captured.file.u64[SLOT[name]]!
    } else if (level.table !== undefined && levels.peOf(thread) === undefined) file.u64[SLOT.VTTBR_EL2] = BigInt(level.table)
    return file
  }

  #hypervisorOf(thread: Thread): Thread | undefined {
    const { threads } = thread.level.parent!
    return threads.find(each => thread.vcpu !== undefined ? each.vcpu === thread.vcpu : each.pe === (thread.lastPe ?? 0))
  }
}

interface View { readonly name: string, readonly kind: RegimeKind, readonly file: RegisterFile, readonly features: ReadonlySet<import('../arch/features.ts').Feature>, readonly space: Space }

const hex = (name: string, value: bigint): string => `${name} 0x${value.toString(16)}`

function permissionsOf(perms: number, one: boolean): string {
  const text = (r: number, w: number, x: number): string => `${perms & r ? 'r' : '-'}${perms & w ? 'w' : '-'}${perms & x ? 'x' : '-'}`
  return one ? text(PERM.PR, PERM.PW, PERM.PX) : `EL1 ${text(PERM.PR, PERM.PW, PERM.PX)}, EL0 ${text(PERM.UR, PERM.UW, PERM.UX)}`
}

function faultText(out: Translation): string {
  const names: readonly (readonly [number, string])[] = [[FSC.AddressSize, 'Address size fault'], [FSC.Translation, 'Translation fault'], [FSC.AccessFlag, 'Access flag fault'], [FSC.Permission, 'Permission fault'], [FSC.SyncExternalOnWalk, 'no memory at the table']]
  const name = names.find(([code]) => (out.status & 0x3c) === code)?.[1]
  return name === undefined ? `fault 0x${out.status.toString(16)}` : `${name}, level ${out.status & 3}`
}

const MEMORY_TYPES: Readonly<Record<number, string>> = { 0xff: 'Normal Write-Back', 0x44: 'Normal Non-cacheable', 0x00: 'Device-nGnRnE', 0x04: 'Device-nGnRE', 0x08: 'Device-nGRE', 0x0c: 'Device-GRE', 0xbb: 'Normal Write-Through' }

/** `monitor xlate`. */
export function traceText(steps: readonly Step[]): string {
  const lines: string[] = []
  for (const step of steps) {
    lines.push(`${step.from} 0x${step.input.toString(16)}   by ${step.by}`)
    step.descriptors.forEach(({ address, value }, i) => {
      const level = step.startLevel + i, last = i === step.descriptors.length - 1 && step.fault === undefined
      const kind = (value & 1n) === 0n ? 'invalid' : !last && (value & 2n) !== 0n ? 'table' : level === 3 ? 'page' : 'block'
      lines.push(`  level ${level} at 0x${address.toString(16)}: 0x${value.toString(16).padStart(16, '0')} ${kind}`)
    })
    if (step.fault !== undefined || step.output === undefined) lines.push(`  ${step.fault ?? 'no output'}`)
    else {
      const type = step.attribute === undefined ? '' : `, ${MEMORY_TYPES[step.attribute] ?? `memory type 0x${step.attribute.toString(16)}`}`
      const size = step.pageShift === 0 || step.pageShift >= 48 ? '' : `, ${sizeText(step.pageShift)}`
      lines.push(`  = ${step.to} 0x${step.output.toString(16)}   ${step.permissions}${type}${size}`)
    }
  }
  return lines.join('\n')
}

const sizeText = (shift: number): string => shift >= 30 ? `${2 ** (shift - 30)} GiB` : shift >= 20 ? `${2 ** (shift - 20)} MiB` : `${2 ** (shift - 10)} KiB`
