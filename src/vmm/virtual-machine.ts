/** Builds one VM: a slice of the machine's RAM, what goes into it, devices, and the configuration that L0 runs. */
import { BadInput } from '../arch/bad-input.ts'
import { affinityOf, createBoard, RAM_BASE, rowsOf } from '../arch/board.ts'
import type { Board } from '../arch/board.ts'
import { planLoad } from '../arch/image/load.ts'
import { createDistributor, createPciHost, emptySlot, Pl011, Pl031, plugIn, VirtioMmio } from '../devices/index.ts'
import type { DmaMemory } from '../devices/index.ts'
import type { L0Environment, PhysicalMemory } from '../hypervisor/host.ts'
import type { MemorySlot } from '../hypervisor/guest-memory.ts'
import type { GicFrames, UserSpace, VmConfig } from '../hypervisor/vm.ts'
import { resetValues, SLOT } from '../sysreg/index.ts'
import { Bus } from './bus.ts'
import { guestFeatures } from './guest-features.ts'
import type { VmDescription, VmEnd } from './options.ts'
import { kindOfGuestHypervisor, paravirtualise } from './paravirtualise.ts'

/** ID_AA64MMFR0_EL1.PARange: 40 bits, what L0's stage 2 tables hold. */
const PARANGE_40 = 2n

export interface VirtualMachine {
  readonly config: VmConfig
  readonly uart: Pl011
  /** Copies image, initrd and device tree into the VM's memory. */
  load(): void
}

export interface VirtualMachineOptions {
  readonly id: number
  readonly description: VmDescription
  readonly environment: L0Environment
  /** Physical address of the VM's RAM. */
  readonly pa: number
  readonly nanoseconds: () => number
  readonly ended: (end: VmEnd) => void
  /** A device of the VM has written its memory. */
  readonly wrote: (ipa: number, size: number) => void
}

export function createVirtualMachine({ id, description, environment, pa, nanoseconds, ended, wrote }: VirtualMachineOptions): VirtualMachine {
  const { paravirt } = description
  const offered = description.el2 ?? 'none', hasEL2 = offered !== 'none'
  // Rewriting is for one kind of guest hypervisor.
  const el2 = paravirt !== undefined && offered === 'nvhe-or-vhe' ? kindOfGuestHypervisor(description.image) : offered
  const gic = description.gic ?? environment.gicVersion, cpus = description.smp ?? 1
  if (gic !== environment.gicVersion) throw new BadInput('VM', `it wants a GICv${gic} and the machine has a GICv${environment.gicVersion}: their virtual interfaces differ`)
  if (hasEL2 && paravirt === undefined && !environment.features.has('FEAT_NV')) throw new BadInput('VM', `EL2 for a VM needs FEAT_NV, which ${environment.profile} as chosen does not have, or --paravirt`)
  if (hasEL2 && paravirt !== undefined && environment.profile !== 'v8.0' && environment.profile !== 'v8.1') throw new BadInput('--paravirt', `rewriting is for v8.0 and v8.1; it does not know what ${environment.profile} has beyond them`)
  const features = guestFeatures(description.profile ?? environment.profile, description.hide ?? [], environment.features, el2, { paravirt: paravirt !== undefined, recursion: description.recursion ?? false })
  const board = createBoard({ name: 'virt', gic, cpus, memBytes: description.memBytes, el2: hasEL2, vhe: hasEL2 && features.has('FEAT_VHE'), pmu: false, pci: (description.pci ?? false) || (description.plugs ?? []).some(({ transport }) => transport === 'pci') })
  const plan = planLoad(board, {
    image: description.image,
    ...(description.initrd ? { initrd: description.initrd } : {}),
    ...(description.dtb ? { dtb: description.dtb } : {}),
    ...(description.modules ? { modules: description.modules } : {}),
    ...(description.append !== undefined ? { bootargs: description.append } : {}),
  })

  const paravirtualised = paravirt === undefined || el2 === 'none' || el2 === 'nvhe-or-vhe' ? undefined : paravirtualise(plan, paravirt, gic, el2)
  if (paravirtualised !== undefined) description.onRewritten?.(paravirtualised)
  const distributor = createDistributor({ version: gic, cpus, targets: 'lowest' })
  const frames = framesOf(board), slots = slotsOf(board, frames, pa)
  const bus = new Bus(), print = description.console ?? environment.console
  const plugged = plugIn(description.plugs ?? [], { memory: guestMemory(environment.memory, slots, wrote), console: print, complaint: description.complaint })
  const pci = createPciHost(board, plugged, (number, level) => { distributor.setSpiLevel(32 + number, level) })
  let uart: Pl011 | undefined
  for (const row of board.rows) {
    const irq = (level: boolean): void => { if (row.spi !== undefined) distributor.setSpiLevel(32 + row.spi, level) }
    if (row.kind === 'pl011') bus.add(row.name, row.base, row.size, uart = new Pl011({ irq, output: print }))
    else if (row.kind === 'pl031') bus.add(row.name, row.base, row.size, new Pl031({ irq, nanoseconds }))
    else if (row.kind === 'pci-memory') bus.add(row.name, row.base, row.size, pci!.memory)
    else if (row.kind === 'pci-io') bus.add(row.name, row.base, row.size, pci!.io)
    else if (row.kind === 'pci-ecam') bus.add(row.name, row.base, row.size, pci!)
    else if (row.kind === 'virtio-mmio') {
      const plug = plugged.find(({ transport, slot }) => transport === 'mmio' && slot === row.index)
      bus.add(row.name, row.base, row.size, plug === undefined ? emptySlot(2) : new VirtioMmio(plug.device, irq))
    }
  }
  if (uart === undefined) throw new Error(`board ${board.name} has no UART`)
  const line = uart
  environment.listen(`vm${id}.uart0`, ({ bytes }) => { line.receive(bytes) })
  for (const { name, device: { model } } of plugged) if (model.outside !== undefined) environment.listen(`vm${id}.${name}`, event => { model.outside!(event) })

  const user: UserSpace = {
    mmioRead: (_vcpu, ipa, size) => bus.read(ipa, size),
    mmioWrite: (_vcpu, ipa, size, value) => bus.write(ipa, size, value),
    ended,
    saveState: () => bus.saveState(),
    restoreState: saved => bus.restoreState(saved),
  }
  const config: VmConfig = {
    id, features, gicVersion: gic, el2, cpus, distributor, user, frames,
    slots,
    ...(paravirtualised === undefined ? {} : { rewritten: paravirtualised.rewritten }),
    entry: plan.entry, argument: plan.dtbAddress,
    affinity: vcpu => affinityOf(vcpu, gic),
    resetRegisters: (vcpu, { file }) => {
      resetValues({ features }, { pe: vcpu, gicVersion: gic, el2: hasEL2 }, file)
      file.u64[SLOT.ID_AA64MMFR0_EL1] = (file.u64[SLOT.ID_AA64MMFR0_EL1]! & ~0xfn) | PARANGE_40
    },
  }
  return {
    config, uart,
    load: () => {
      const { memory } = environment
      // RAM is zero at reset.
      for (const { address, bytes } of plan.placements) memory.writeBytes(address - RAM_BASE + pa, bytes)
    },
  }
}

/** The VM's RAM as its devices reach it: by IPA, and nothing else. */
function guestMemory(machine: PhysicalMemory, slots: readonly MemorySlot[], wrote: (ipa: number, size: number) => void): DmaMemory {
  /** `each` for every piece of [ipa, ipa + length) that is in one slot; false, and nothing called, if some of it is not RAM. */
  const pieces = (ipa: number, length: number, each: (pa: number, from: number, size: number) => void): boolean => {
    if (!Number.isSafeInteger(ipa)) return false
    const found: (readonly [number, number, number])[] = []
    for (let at = 0; at < length;) {
      const slot = slots.find(({ kind, ipa: base, size }) => kind === 'ram' && ipa + at >= base && ipa + at < base + size)
      if (slot === undefined) return false
      const size = Math.min(length - at, slot.ipa + slot.size - ipa - at)
      found.push([ipa + at - slot.ipa + slot.pa, at, size])
      at += size
    }
    for (const [pa, from, size] of found) each(pa, from, size)
    return true
  }
  return {
    isRam: (ipa, length) => pieces(ipa, length, () => {}),
    readBytes: (ipa, into) => pieces(ipa, into.length, (pa, from, size) => { machine.readBytes(pa, into.subarray(from, from + size)) }),
    writeBytes: (ipa, from) => {
      if (!pieces(ipa, from.length, (pa, at, size) => { machine.writeBytes(pa, from.subarray(at, at + size)) })) return false
      wrote(ipa, from.length)
      return true
    },
  }
}

/** GICV of the machine: every board with a GICv2 has it at the same place. */
const PHYSICAL_GICV = rowsOf(createBoard({ name: 'virt', gic: 2, memBytes: 0x10_0000, el2: true }), 'gicv')[0]!.base

function framesOf(board: Board): GicFrames {
  const base = (kind: 'gicc' | 'gich' | 'gicv' | 'gicr'): number | undefined => rowsOf(board, kind)[0]?.base
  return {
    gicd: rowsOf(board, 'gicd')[0]!.base, gicc: base('gicc'), gich: base('gich'), gicv: base('gicv'), gicr: base('gicr'),
    physicalGicv: board.gic === 2 ? PHYSICAL_GICV : undefined,
  }
}

/** RAM, and for GICv2 the machine's virtual CPU interface where the VM expects its CPU interface (and, with EL2, its GICV). */
function slotsOf(board: Board, frames: GicFrames, pa: number): MemorySlot[] {
  const slots: MemorySlot[] = [{ kind: 'ram', ipa: RAM_BASE, size: board.memBytes, pa }]
  for (const ipa of [frames.gicc, frames.gicv]) {
    if (ipa !== undefined && frames.physicalGicv !== undefined) slots.push({ kind: 'device', ipa, size: 0x2000, pa: frames.physicalGicv })
  }
  return slots
}
