/**
 * List registers and the virtual CPU interface against a model of plain objects. The two views (ICH_/ICV_ and GICH/GICV) run the same
 * steps; MISR, EISR, ELRSR, the lines and the running priority are recomputed from scratch after each of them.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { GicCpuInterface } from '../../arch/gic.ts'
import type { ListingDistributor } from '../../arch/gic-listing.ts'
import { createGic } from './gic.ts'

const RUNS = Number(process.env['NIDUS_GIC_RUNS'] ?? process.env['NIDUS_FUZZ'] ?? 100)
const COUNT = 4
/** Physical interrupts that HW list registers name. */
const PHYSICAL = [27, 40, 41]
/** Does not exist, and has the bit that is EOI where HW = 0. */
const ABSENT = 552

interface List { pending: boolean, active: boolean, hw: boolean, group: 0 | 1, priority: number, physical: number, eoi: boolean, cpuid: number, intid: number }
const EMPTY: List = { pending: false, active: false, hw: false, group: 0, priority: 0, physical: 0, eoi: false, cpuid: 0, intid: 0 }

interface Control { enable0: boolean, enable1: boolean, common: boolean, split: boolean, ackBoth: boolean, fiq: boolean, bpr0: number, bpr1: number, mask: number }

/** How the steps reach the two kinds of registers. */
interface View {
  readonly version: 2 | 3
  writeList(n: number, list: List): void
  readList(n: number): List
  writeHcr(value: number): void
  readHcr(): number
  writeVmcr(value: number): void
  status(): { misr: number, eisr: number, elrsr: number, running: number, active: number[] }
  acknowledge(group: 0 | 1): number
  pendingOf(group: 0 | 1): number
  end(id: number, group: 0 | 1): void
  deactivate(id: number): void
}

function view3(pe: GicCpuInterface): View {
  const get = (name: string): number => Number(pe.readRegister(name, false))
  const set = (name: string, value: number | bigint): void => pe.writeRegister(name, BigInt(value), false)
  return {
    version: 3,
    writeList: (n, list) => set(`ICH_LR${n}_EL2`, BigInt((list.active ? 2 : 0) + (list.pending ? 1 : 0)) << 62n | BigInt(list.hw ? 1 : 0) << 61n | BigInt(list.group) << 60n | BigInt(list.priority) << 48n
      | BigInt(list.hw ? list.physical : list.eoi ? 0x200 : 0) << 32n | BigInt(list.intid)),
    readList: n => {
      const lr = pe.readRegister(`ICH_LR${n}_EL2`, false)
      const field = (low: bigint, width: bigint): number => Number(lr >> low & (1n << width) - 1n)
      const hw = field(61n, 1n) === 1
      return { pending: field(62n, 1n) === 1, active: field(63n, 1n) === 1, hw, group: field(60n, 1n) as 0 | 1, priority: field(48n, 8n), physical: hw ? field(32n, 13n) : 0, eoi: !hw && field(41n, 1n) === 1, cpuid: 0, intid: field(0n, 32n) }
    },
    writeHcr: value => set('ICH_HCR_EL2', value), readHcr: () => get('ICH_HCR_EL2'), writeVmcr: value => set('ICH_VMCR_EL2', value),
    status: () => ({ misr: get('ICH_MISR_EL2'), eisr: get('ICH_EISR_EL2'), elrsr: get('ICH_ELRSR_EL2'), running: get('ICV_RPR_EL1'), active: [get('ICH_AP0R0_EL2'), get('ICH_AP1R0_EL2')] }),
    acknowledge: group => get(`ICV_IAR${group}_EL1`), pendingOf: group => get(`ICV_HPPIR${group}_EL1`),
    end: (id, group) => set(`ICV_EOIR${group}_EL1`, id), deactivate: id => set('ICV_DIR_EL1', id),
  }
}

function view2(pe: GicCpuInterface): View {
  const gich = (offset: number): number => pe.readFrame('GICH', offset, 4)!
  const gicv = (offset: number): number => pe.readFrame('GICV', offset, 4)!
  return {
    version: 2,
    writeList: (n, list) => void pe.writeFrame('GICH', 0x100 + 4 * n, 4, ((list.hw ? 1 : 0) << 31 | list.group << 30 | (list.active ? 2 : 0) << 28 | (list.pending ? 1 : 0) << 28 | list.priority >> 3 << 23
      | (list.hw ? list.physical : (list.eoi ? 0x200 : 0) | list.cpuid) << 10 | list.intid) >>> 0),
    readList: n => {
      const lr = gich(0x100 + 4 * n)
      const hw = lr >>> 31 === 1, physical = lr >>> 10 & 0x3ff
      return { pending: (lr >>> 28 & 1) === 1, active: (lr >>> 29 & 1) === 1, hw, group: (lr >>> 30 & 1) as 0 | 1, priority: (lr >>> 23 & 31) << 3, physical: hw ? physical : 0, eoi: !hw && (physical & 0x200) !== 0, cpuid: hw ? 0 : physical & 7, intid: lr & 0x3ff }
    },
    writeHcr: value => void pe.writeFrame('GICH', 0, 4, value), readHcr: () => gich(0), writeVmcr: value => void pe.writeFrame('GICH', 8, 4, value),
    status: () => ({ misr: gich(0x10), eisr: gich(0x20), elrsr: gich(0x30), running: gicv(0x14), active: [gich(0xf0), 0] }),
    // Group 0 by GICV_IAR, Group 1 by GICV_AIAR.
    acknowledge: group => gicv(group === 0 ? 0x0c : 0x20), pendingOf: group => gicv(group === 0 ? 0x18 : 0x28),
    end: (id, group) => void pe.writeFrame('GICV', group === 0 ? 0x10 : 0x24, 4, id), deactivate: id => void pe.writeFrame('GICV', 0x1000, 4, id),
  }
}

class Model {
  readonly version: 2 | 3
  lists: List[] = Array.from({ length: COUNT }, () => ({ ...EMPTY }))
  hcr = 0
  control: Control = { enable0: false, enable1: false, common: false, split: false, ackBoth: false, fiq: false, bpr0: 2, bpr1: 3, mask: 0 }
  /** Active levels as [group, group priority]. GICv2 does not tell groups apart. */
  levels: [group: 0 | 1, priority: number][] = []
  physicalActive = new Set<number>()
  constructor(version: 2 | 3) { this.version = version }

  id(list: List): number { return this.version === 2 && !list.hw && list.intid < 16 ? list.intid + 1024 * list.cpuid : list.intid }
  grouped(list: List): number {
    const keep = list.group === 0 || this.control.common ? this.control.bpr0 + 1 : this.control.bpr1
    return Math.floor(list.priority / 2 ** keep) * 2 ** keep
  }

  running(): number { return Math.min(0xff, ...this.levels.map(([, priority]) => priority)) }
  pending(): List | undefined {
    let best: List | undefined
    for (const list of this.lists) {
      if (list.pending && !list.active && (list.group === 0 ? this.control.enable0 : this.control.enable1) && (best === undefined || list.priority < best.priority)) best = list
    }
    return best
  }

  signalled(): List | undefined {
    const best = this.pending()
    if (best === undefined || (this.hcr & 1) === 0 || best.priority >= this.control.mask) return undefined
    if (this.levels.length === 0) return best
    // Masked with the binary point of the new interrupt's group.
    const running: List = { ...best, priority: this.running() }
    return this.grouped(best) < this.grouped(running) ? best : undefined
  }

  acknowledge(group: 0 | 1): number {
    const best = this.signalled()
    if (best === undefined) return 1023
    if (this.version === 2 && group === 0 && best.group === 1 && !this.control.ackBoth) return 1022
    if (!(this.version === 2 && group === 0) && best.group !== group) return 1023
    const level: [0 | 1, number] = [this.version === 2 ? 0 : best.group, this.grouped(best)]
    if (!this.levels.some(([g, p]) => g === level[0] && p === level[1])) this.levels.push(level)
    best.pending = false
    best.active = true
    return this.id(best)
  }

  pendingOf(group: 0 | 1): number {
    const best = this.pending()
    if (best === undefined) return 1023
    if (this.version === 2 && group === 0) return best.group === 1 && !this.control.ackBoth ? 1022 : this.id(best)
    return best.group === group ? this.id(best) : 1023
  }

  end(id: number, group: 0 | 1): void {
    const running = this.running()
    if (this.levels.length === 0) return
    const index = this.levels.findIndex(([g, p]) => p === running && g === 0)
    this.levels.splice(index >= 0 ? index : this.levels.findIndex(([, p]) => p === running), 1)
    if (this.control.split) return
    const list = this.lists.find(each => each.active && this.id(each) === id)
    if (list === undefined) this.count()
    else if ((list.group === group || (this.version === 2 && group === 0)) && this.grouped(list) === running) this.drop(list)
  }

  deactivate(id: number): void {
    if (!this.control.split) return
    const list = this.lists.find(each => each.active && this.id(each) === id)
    if (list === undefined) this.count()
    else this.drop(list)
  }

  drop(list: List): void {
    list.active = false
    if (list.hw) this.physicalActive.delete(list.physical)
  }

  count(): void { this.hcr = (this.hcr + 2 ** 27) % 2 ** 32 }

  misr(): number {
    const { lists, control, hcr } = this
    const on = (bit: number): boolean => (hcr >>> bit & 1) !== 0
    return [lists.some(l => this.ended(l)), on(1) && lists.filter(l => l.pending || l.active).length < 2, on(2) && hcr >= 2 ** 27, on(3) && !lists.some(l => l.pending && !l.active),
      on(4) && control.enable0, on(5) && !control.enable0, on(6) && control.enable1, on(7) && !control.enable1].reduce((bits, set, bit) => bits + (set ? 2 ** bit : 0), 0)
  }

  ended(l: List): boolean { return !l.pending && !l.active && !l.hw && l.eoi }
  elrsr(): number { return this.lists.reduce((bits, l, n) => bits + (!l.pending && !l.active && !this.ended(l) ? 2 ** n : 0), 0) }
  eisr(): number { return this.lists.reduce((bits, l, n) => bits + (this.ended(l) ? 2 ** n : 0), 0) }
  bits(group: 0 | 1): number { return this.levels.filter(([g]) => g === group).reduce((bits, [, p]) => bits + 2 ** (p / 8), 0) }
}

interface System { readonly model: Model, readonly view: View, readonly pe: GicCpuInterface, readonly distributor: ListingDistributor }
interface Step { readonly name: string, readonly run: (system: System) => void }

/** One INTID per list register, so that an identity names one of them (two alike are UNPREDICTABLE). */
const list = (version: 2 | 3): fc.Arbitrary<readonly [number, List]> => fc.record({
  n: fc.nat(COUNT - 1), state: fc.nat(3), hw: fc.boolean(), group: fc.constantFrom<0 | 1>(0, 1), priority: fc.constantFrom(0, 0x40, 0x48, 0x80, 0x88, 0xf0),
  physical: fc.constantFrom(...PHYSICAL, ABSENT), eoi: fc.boolean(), cpuid: fc.nat(7), kind: fc.boolean(),
}).map(v => {
  const intid = v.kind ? v.n : 32 + v.n
  return [v.n, { pending: (v.state & 1) !== 0, active: (v.state & 2) !== 0, hw: v.hw, group: v.group, priority: v.priority, physical: v.hw ? v.physical : 0, eoi: !v.hw && v.eoi, cpuid: version === 2 && !v.hw ? v.cpuid : 0, intid }] as const
})

const step = <T>(name: string, values: fc.Arbitrary<T>, run: (system: System, value: T) => void): fc.Arbitrary<Step> => values.map(value => ({ name: `${name} ${JSON.stringify(value)}`, run: system => run(system, value) }))
const identity = (model: Model, which: { n?: number, id?: number }): number => which.id ?? model.id(model.lists[which.n!]!)

function steps(version: 2 | 3): fc.Arbitrary<Step> {
  const group = fc.constantFrom<0 | 1>(0, 1)
  const some = fc.oneof({ weight: 4, arbitrary: fc.nat(COUNT - 1).map(n => ({ n })) }, { weight: 1, arbitrary: fc.constantFrom(1023, 500).map(id => ({ id })) })
  return fc.oneof(
    { weight: 4, arbitrary: step('list', list(version), ({ model, view }, [n, value]) => {
      model.lists[n] = { ...value }
      view.writeList(n, value)
    }) },
    step('hcr', fc.tuple(fc.nat(0xff).map(bits => bits % 5 === 0 ? bits : bits | 1), fc.constantFrom(0, 1, 31)), ({ model, view }, [bits, count]) => {
      model.hcr = bits + count * 2 ** 27
      view.writeHcr(model.hcr)
    }),
    { weight: 2, arbitrary: step('on', fc.boolean(), ({ model, view }, split) => {
      Object.assign(model.control, { enable0: true, enable1: true, split, mask: 0xf8 })
      model.hcr = Math.floor(model.hcr / 2) * 2 + 1
      view.writeHcr(model.hcr)
      view.writeVmcr(vmcr(model.control))
    }) },
    step('vmcr', fc.record({ enable0: fc.boolean(), enable1: fc.boolean(), ackBoth: fc.boolean(), fiq: fc.boolean(), common: fc.boolean(), split: fc.boolean(), bpr0: fc.nat(7), bpr1: fc.nat(7), mask: fc.constantFrom(0, 0x48, 0xf8, 0xff, 0xff, 0xff) }), ({ model, view }, value) => {
      view.writeVmcr(vmcr(value))
      Object.assign(model.control, value, { bpr0: Math.max(value.bpr0, 2), bpr1: Math.max(value.bpr1, 3), mask: value.mask & 0xf8, ackBoth: version === 2 && value.ackBoth, fiq: version === 3 || value.fiq })
    }),
    { weight: 3, arbitrary: step('acknowledge', group, ({ model, view }, g) => expect(view.acknowledge(g)).toBe(model.acknowledge(g))) },
    { weight: 3, arbitrary: step('end', fc.tuple(some, group), ({ model, view }, [which, g]) => {
      const id = identity(model, which)
      view.end(id, g)
      if (id !== 1023) model.end(id, g)
    }) },
    step('deactivate', some, ({ model, view }, which) => {
      const id = identity(model, which)
      view.deactivate(id)
      if (id !== 1023) model.deactivate(id)
    }),
    step('physical', fc.constantFrom(...PHYSICAL), ({ model, distributor }, intid) => {
      model.physicalActive.add(intid)
      distributor.activate(0, intid, 0)
    }),
  )
}

const vmcr = (c: Control): number => ((c.enable0 ? 1 : 0) | (c.enable1 ? 2 : 0) | (c.ackBoth ? 4 : 0) | (c.fiq ? 8 : 0) | (c.common ? 16 : 0) | (c.split ? 512 : 0) | c.bpr1 << 18 | c.bpr0 << 21 | c.mask << 24) >>> 0

function compare({ model, view, pe, distributor }: System, after: string): void {
  expect(Array.from({ length: COUNT }, (_, n) => view.readList(n)), after).toEqual(model.lists)
  expect(view.status(), after).toEqual({ misr: model.misr(), eisr: model.eisr(), elrsr: model.elrsr(), running: model.running(), active: [model.bits(0), model.bits(1)] })
  expect(view.readHcr(), after).toBe(model.hcr)
  const signalled = model.signalled()
  const fiq = signalled !== undefined && signalled.group === 0 && model.control.fiq
  expect([pe.virtualIrqLine(), pe.virtualFiqLine()], after).toEqual([signalled !== undefined && !fiq, fiq])
  expect([view.pendingOf(0), view.pendingOf(1)], after).toEqual([model.pendingOf(0), model.pendingOf(1)])
  expect(distributor.isPending(0, 25), `${after}: maintenance`).toBe(model.misr() !== 0 && (model.hcr & 1) !== 0)
  for (const intid of PHYSICAL) expect(distributor.isActive(0, intid), `${after}: ${intid}`).toBe(model.physicalActive.has(intid))
}

test.each([2, 3] as const)('GICv%i: list registers, status and lines are those of the model', version => {
  fc.assert(fc.property(fc.array(steps(version), { maxLength: 60, size: 'max' }), sequence => {
    const make = (): { distributor: ListingDistributor, pe: GicCpuInterface } => {
      const gic = createGic({ version, cpus: 1, listRegisters: COUNT })
      return { distributor: gic.distributor, pe: gic.cpuInterfaces[0]! }
    }
    const gic = make()
    const model = new Model(version)
    const view = (version === 2 ? view2 : view3)(gic.pe)
    model.control.fiq = version === 3
    const system = { model, view, ...gic }
    let told = false
    gic.pe.onChange = () => { told = true }
    let lines = [false, false]
    for (const each of sequence) {
      told = false
      each.run(system)
      compare(system, each.name)
      const now = [gic.pe.virtualIrqLine(), gic.pe.virtualFiqLine()]
      expect(told || now.every((line, index) => line === lines[index]), `${each.name} told`).toBe(true)
      lines = now
    }
    const copy = make()
    copy.distributor.restore(JSON.parse(JSON.stringify(gic.distributor.save())))
    copy.pe.restore(JSON.parse(JSON.stringify(gic.pe.save())))
    compare({ model, view: (version === 2 ? view2 : view3)(copy.pe), ...copy }, 'restored')
    expect(copy.pe.save()).toEqual(gic.pe.save())
  }), { numRuns: RUNS })
})
