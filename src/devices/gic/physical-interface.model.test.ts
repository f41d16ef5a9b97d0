/**
 * Distributor and physical CPU interface together: device lines in, IRQ and FIQ lines out, against a model that keeps the active
 * priorities as a list. GICv2 goes through GICC, GICv3 through ICC_ registers.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { GicCpuInterface } from '../../arch/gic.ts'
import type { ListingDistributor } from '../../arch/gic-listing.ts'
import { createGic } from './gic.ts'

const RUNS = Number(process.env['NIDUS_GIC_RUNS'] ?? process.env['NIDUS_FUZZ'] ?? 100)
const INTIDS = [32, 33, 34, 35]
const OFFSETS: Readonly<Record<string, number>> = { PMR: 0x04, BPR0: 0x08, BPR1: 0x1c, RPR: 0x14, IAR0: 0x0c, IAR1: 0x20, EOIR0: 0x10, EOIR1: 0x24, HPPIR0: 0x18, HPPIR1: 0x28, DIR: 0x1000, AP0R0: 0xd0, AP1R0: 0xe0, CTLR: 0x00 }

interface Source { line: boolean, active: boolean, group: 0 | 1, priority: number }

const bit = (on: boolean, position: number): number => on ? 1 << position : 0

class System {
  readonly version: 2 | 3
  readonly distributor: ListingDistributor
  readonly pe: GicCpuInterface
  readonly sources = new Map(INTIDS.map(intid => [intid, { line: false, active: false, group: 0, priority: 0 } as Source]))
  levels: [group: 0 | 1, priority: number][] = []
  control = { enable0: false, enable1: false, common: false, split: false, ackBoth: false, fiq: false }
  bpr0 = 2
  bpr1 = 3
  mask = 0
  told = false

  constructor(version: 2 | 3) {
    this.version = version
    const gic = createGic({ version, cpus: 1, spis: 32 })
    this.distributor = gic.distributor
    this.pe = gic.cpuInterfaces[0]!
    this.pe.onChange = () => { this.told = true }
    this.distributor.writeDistributor(0, 0, 4, 3)
    this.distributor.writeDistributor(0, 0x104, 4, 0xffff_ffff)
  }

  get(name: string): number { return this.version === 2 ? this.pe.readFrame('GICC', OFFSETS[name]!, 4)! : Number(this.pe.readRegister(`ICC_${name}_EL1`, false)) }
  set(name: string, value: number): void {
    if (this.version === 2) this.pe.writeFrame('GICC', OFFSETS[name]!, 4, value)
    else this.pe.writeRegister(`ICC_${name}_EL1`, BigInt(value), false)
  }

  configure(control: System['control']): void {
    this.control = { ...control }
    if (this.version === 2) {
      this.set('CTLR', bit(control.enable0, 0) | bit(control.enable1, 1) | bit(control.ackBoth, 2) | bit(control.fiq, 3) | bit(control.common, 4) | bit(control.split, 9))
    } else {
      this.set('IGRPEN0', bit(control.enable0, 0))
      this.set('IGRPEN1', bit(control.enable1, 0))
      this.set('CTLR', bit(control.common, 0) | bit(control.split, 1))
    }
  }

  grouped(priority: number, group: 0 | 1): number {
    const keep = group === 0 || this.control.common ? this.bpr0 + 1 : this.bpr1
    return Math.floor(priority / 2 ** keep) * 2 ** keep
  }

  running(): number { return Math.min(0xff, ...this.levels.map(([, priority]) => priority)) }
  pending(): [number, Source] | undefined {
    return [...this.sources].filter(([, s]) => s.line && !s.active && (s.group === 0 ? this.control.enable0 : this.control.enable1)).toSorted(([i, a], [j, b]) => a.priority - b.priority || i - j)[0]
  }

  signalled(): [number, Source] | undefined {
    const best = this.pending()
    if (best === undefined || best[1].priority >= this.mask) return undefined
    return this.levels.length === 0 || this.grouped(best[1].priority, best[1].group) < this.grouped(this.running(), best[1].group) ? best : undefined
  }

  /** What a read of IAR or HPPIR of a group shows of an interrupt. In GICv2 the Group 0 registers show both. */
  shown(best: [number, Source] | undefined, group: 0 | 1): number {
    if (best === undefined) return 1023
    if (this.version === 2 && group === 0) return best[1].group === 1 && !this.control.ackBoth ? 1022 : best[0]
    return best[1].group === group ? best[0] : 1023
  }

  acknowledge(group: 0 | 1): number {
    const best = this.signalled()
    const shown = this.shown(best, group)
    if (best !== undefined && shown === best[0]) {
      best[1].active = true
      const level = this.grouped(best[1].priority, best[1].group)
      if (!this.levels.some(([g, p]) => g === best[1].group && p === level)) this.levels.push([best[1].group, level])
    }
    return shown
  }

  end(intid: number, group: 0 | 1): void {
    const running = this.running()
    if (this.levels.length === 0) return
    const runningGroup = this.levels.some(([g, p]) => g === 0 && p === running) ? 0 : 1
    if (!(this.version === 2 && group === 0) && runningGroup !== group) return
    this.levels = this.levels.filter(([g, p]) => g !== runningGroup || p !== running)
    if (!this.control.split) this.sources.get(intid)!.active = false
  }

  compare(after: string): void {
    const signalled = this.signalled()
    const fiq = signalled?.[1].group === 0 && (this.version === 3 || this.control.fiq)
    expect([this.pe.irqLine(), this.pe.fiqLine()], after).toEqual([signalled !== undefined && !fiq, fiq])
    expect([this.get('HPPIR0'), this.get('HPPIR1'), this.get('RPR')], after).toEqual([this.shown(this.pending(), 0), this.shown(this.pending(), 1), this.running()])
    const bits = (group: 0 | 1): number => this.levels.filter(([g]) => g === group).reduce((sum, [, p]) => sum + 2 ** (p / 8), 0)
    expect([this.get('AP0R0'), this.get('AP1R0')], after).toEqual([bits(0), bits(1)])
    for (const [intid, source] of this.sources) expect([this.distributor.isActive(0, intid), this.distributor.isPending(0, intid)], `${after}: ${intid}`).toEqual([source.active, source.line])
  }
}

interface Step { readonly name: string, readonly run: (system: System) => void }
const step = <T>(name: string, values: fc.Arbitrary<T>, run: (system: System, value: T) => void): fc.Arbitrary<Step> => values.map(value => ({ name: `${name} ${JSON.stringify(value)}`, run: system => run(system, value) }))
const intid = fc.constantFrom(...INTIDS), group = fc.constantFrom<0 | 1>(0, 1), priority = fc.constantFrom(0, 0x40, 0x48, 0x80, 0x88, 0xf0)
const allOn = { enable0: true, enable1: true, common: false, split: false, ackBoth: true, fiq: false }

const STEPS: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: step('line', fc.tuple(intid, fc.boolean()), (system, [i, on]) => {
    system.sources.get(i)!.line = on
    system.distributor.setSpiLevel(i, on)
  }) },
  step('source', fc.tuple(intid, group, priority), (system, [i, g, p]) => {
    Object.assign(system.sources.get(i)!, { group: g, priority: p })
    system.distributor.writeDistributor(0, 0x400 + i, 1, p)
    system.distributor.writeDistributor(0, 0x84, 4, [...system.sources].reduce((bits, [id, s]) => bits | s.group << (id - 32), 0))
  }),
  step('control', fc.record({ enable0: fc.boolean(), enable1: fc.boolean(), common: fc.boolean(), split: fc.boolean(), ackBoth: fc.boolean(), fiq: fc.boolean() }), (system, control) => system.configure(control)),
  { weight: 2, arbitrary: step('on', fc.boolean(), (system, split) => {
    system.configure({ ...allOn, split })
    system.mask = 0xf8
    system.set('PMR', 0xff)
  }) },
  step('mask', fc.constantFrom(0, 0x48, 0x8f, 0xff, 0xff), (system, mask) => {
    system.mask = mask & 0xf8
    system.set('PMR', mask)
  }),
  step('binary points', fc.tuple(fc.nat(7), fc.nat(7)), (system, [bpr0, bpr1]) => {
    system.bpr0 = Math.max(bpr0, 2)
    system.set('BPR0', bpr0)
    // GICv3's BPR1 is read-only while CBPR is set.
    if (system.version === 2 || !system.control.common) system.bpr1 = Math.max(bpr1, 3)
    system.set('BPR1', bpr1)
  }),
  { weight: 4, arbitrary: step('acknowledge', group, (system, g) => expect(system.get(`IAR${g}`)).toBe(system.acknowledge(g))) },
  { weight: 3, arbitrary: step('end', fc.tuple(intid, group), (system, [i, g]) => {
    system.set(`EOIR${g}`, i)
    system.end(i, g)
  }) },
  step('deactivate', intid, (system, i) => {
    system.set('DIR', i)
    if (system.control.split) system.sources.get(i)!.active = false
  }),
)

test.each([2, 3] as const)('GICv%i: lines, running priority and active state are those of the model', version => {
  fc.assert(fc.property(fc.array(STEPS, { maxLength: 60, size: 'max' }), sequence => {
    const system = new System(version)
    let lines = [false, false]
    for (const each of sequence) {
      system.told = false
      each.run(system)
      system.compare(each.name)
      const now = [system.pe.irqLine(), system.pe.fiqLine()]
      expect(system.told || now.every((line, index) => line === lines[index]), `${each.name} told`).toBe(true)
      lines = now
    }
  }), { numRuns: RUNS })
})
