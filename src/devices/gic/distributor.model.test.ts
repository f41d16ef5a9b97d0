/** The distributor against a model without bitmaps, banks or caches: one record per interrupt, every answer by looking at all of them. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GicDistributor } from './distributor.ts'

const RUNS = Number(process.env['NIDUS_GIC_RUNS'] ?? process.env['NIDUS_FUZZ'] ?? 100)
const CPUS = 3
/** SGIs 0, 5; PPIs 27, 30; SPIs on both sides of a word boundary. */
const INTIDS = [0, 5, 27, 30, 32, 33, 63, 64, 95]
const LIMIT = 96

interface Record2 { enabled: boolean, group: 0 | 1, priority: number, latch: boolean, sources: Set<number>, line: boolean, active: boolean, activeOn: number, activeSource: number, edge: boolean, route: number }

class Model {
  readonly version: 2 | 3
  groupEnables = 0
  readonly records = new Map<string, Record2>()
  constructor(version: 2 | 3) { this.version = version }

  at(cpu: number, intid: number): Record2 {
    const key = intid < 32 ? `${cpu}/${intid}` : `${intid}`
    let record = this.records.get(key)
    if (record === undefined) {
      record = { enabled: intid < 16 && this.version === 2, group: 0, priority: 0, latch: false, sources: new Set(), line: false, active: false, activeOn: 0, activeSource: 0, edge: intid < 16, route: 0 }
      this.records.set(key, record)
    }
    return record
  }

  isSgi2(intid: number): boolean { return this.version === 2 && intid < 16 }
  pending(cpu: number, intid: number): boolean {
    const record = this.at(cpu, intid)
    return this.isSgi2(intid) ? record.sources.size > 0 : record.latch || (record.line && !record.edge)
  }

  targeted(cpu: number, intid: number): boolean { return intid < 32 || (this.version === 2 ? (this.at(cpu, intid).route >> cpu & 1) !== 0 : this.at(cpu, intid).route === cpu) }

  best(cpu: number): { intid: number, priority: number, group: 0 | 1, source: number } | undefined {
    return INTIDS.filter(intid => {
      const record = this.at(cpu, intid)
      return this.pending(cpu, intid) && record.enabled && !record.active && this.targeted(cpu, intid) && (this.groupEnables >> record.group & 1) !== 0
    }).map(intid => {
      const record = this.at(cpu, intid)
      return { intid, priority: record.priority, group: record.group, source: this.isSgi2(intid) ? Math.min(...record.sources) : 0 }
    }).toSorted((a, b) => a.priority - b.priority || a.intid - b.intid)[0]
  }
}

function list(model: Model, cpu: number): unknown[] {
  const answer: { priority: number, intid: number, source: number }[] = []
  for (const intid of INTIDS) {
    const r = model.at(cpu, intid)
    const activeHere = r.active && (intid < 32 || r.activeOn === cpu)
    const deliverable = model.pending(cpu, intid) && r.enabled && model.targeted(cpu, intid) && (model.groupEnables >> r.group & 1) !== 0 && (!r.active || activeHere)
    const sources = model.isSgi2(intid) ? [0, 1, 2] : [0]
    for (const source of sources) {
      const pending = deliverable && (!model.isSgi2(intid) || r.sources.has(source))
      const active = activeHere && (!model.isSgi2(intid) || r.activeSource === source)
      const entry = { intid, priority: r.priority, group: r.group, source, pending, active, edge: r.edge, line: r.line }
      if (pending || active) answer.push(entry)
    }
  }
  return answer.toSorted((a, b) => a.priority - b.priority || a.intid - b.intid || a.source - b.source)
}

type Operation = { readonly name: string, readonly run: (model: Model, gic: GicDistributor) => void }

const operation = <T>(name: string, values: fc.Arbitrary<T>, run: (model: Model, gic: GicDistributor, value: T) => void): fc.Arbitrary<Operation> =>
  values.map(value => ({ name: `${name} ${JSON.stringify(value)}`, run: (model, gic) => run(model, gic, value) }))

function operations(version: 2 | 3): fc.Arbitrary<Operation> {
  const write = (gic: GicDistributor, cpu: number, intid: number, offset: number, size: number, value: number): boolean =>
    version === 3 && intid < 32 ? gic.writeRedistributor(cpu, 0x1_0000 + offset, size, value) : gic.writeDistributor(cpu, offset, size, value)
  const bitWrite = (gic: GicDistributor, cpu: number, intid: number, base: number): boolean => write(gic, cpu, intid, base + 4 * (intid >>> 5), 4, (1 << (intid & 31)) >>> 0)
  const cpu = fc.nat(CPUS - 1), intid = fc.constantFrom(...INTIDS), on = fc.boolean()

  return fc.oneof(
    operation('groups', fc.nat(3), (model, gic, bits) => {
      model.groupEnables = bits
      gic.writeDistributor(0, 0, 4, bits)
    }),
    operation('enable', fc.tuple(cpu, intid, on), (model, gic, [c, i, o]) => {
      if (!model.isSgi2(i)) model.at(c, i).enabled = o
      bitWrite(gic, c, i, o ? 0x100 : 0x180)
    }),
    operation('group', fc.tuple(cpu, intid, on), (model, gic, [c, i, o]) => {
      model.at(c, i).group = o ? 1 : 0
      const offset = 0x80 + 4 * (i >>> 5), bit = 1 << (i & 31)
      const before = (version === 3 && i < 32 ? gic.readRedistributor(c, 0x1_0000 + offset, 4) : gic.readDistributor(c, offset, 4))!
      write(gic, c, i, offset, 4, (o ? before | bit : before & ~bit) >>> 0)
    }),
    operation('priority', fc.tuple(cpu, intid, fc.constantFrom(0, 0x40, 0x47, 0x80, 0xff)), (model, gic, [c, i, p]) => {
      model.at(c, i).priority = p & 0xf8
      write(gic, c, i, 0x400 + i, 1, p)
    }),
    operation('configure', fc.tuple(fc.constantFrom(...INTIDS.filter(i => i >= 32)), on), (model, gic, [i, o]) => {
      model.at(0, i).edge = o
      const offset = 0xc00 + 4 * (i >>> 4), bit = 2 << (i & 15) * 2
      const before = gic.readDistributor(0, offset, 4)!
      gic.writeDistributor(0, offset, 4, (o ? before | bit : before & ~bit) >>> 0)
    }),
    operation('route', fc.tuple(fc.constantFrom(...INTIDS.filter(i => i >= 32)), fc.nat(7)), (model, gic, [i, r]) => {
      model.at(0, i).route = r
      if (version === 2) gic.writeDistributor(0, 0x800 + i, 1, r)
      else gic.writeDistributor(0, 0x6000 + 8 * i, 8, r)
    }),
    operation('pend', fc.tuple(cpu, intid, on), (model, gic, [c, i, o]) => {
      if (!model.isSgi2(i)) model.at(c, i).latch = o
      bitWrite(gic, c, i, o ? 0x200 : 0x280)
    }),
    operation('line', fc.tuple(cpu, fc.constantFrom(...INTIDS.filter(i => i >= 16)), on), (model, gic, [c, i, o]) => {
      const record = model.at(c, i)
      if (o && !record.line && record.edge) record.latch = true
      record.line = o
      if (i < 32) gic.setPpiLevel(c, i, o)
      else gic.setSpiLevel(i, o)
    }),
    operation('sgi', fc.tuple(cpu, cpu, fc.constantFrom(0, 5)), (model, gic, [from, to, i]) => {
      model.at(to, i).latch = true
      model.at(to, i).sources.add(from)
      gic.sendSgi(from, to, i)
    }),
    operation('acknowledge', cpu, (model, gic, c) => {
      const best = model.best(c)
      if (best === undefined) return
      const record = model.at(c, best.intid)
      Object.assign(record, { active: true, activeOn: c, activeSource: best.source })
      record.sources.delete(best.source)
      record.latch = false
      gic.activate(c, best.intid, best.source)
    }),
    operation('deactivate', fc.tuple(cpu, intid), (model, gic, [c, i]) => {
      model.at(c, i).active = false
      gic.deactivate(c, i, 0)
    }),
    operation('active', fc.tuple(cpu, intid, on), (model, gic, [c, i, o]) => {
      const record = model.at(c, i)
      record.active = o
      record.activeOn = Math.max([0, 1, 2].findIndex(target => model.targeted(target, i)), 0)
      bitWrite(gic, c, i, o ? 0x300 : 0x380)
    }),
    operation('take', cpu, (model, gic, c) => {
      const best = model.best(c)
      if (best === undefined) return
      model.at(c, best.intid).sources.delete(best.source)
      model.at(c, best.intid).latch = false
      gic.take(c, best.intid, best.source)
    }),
    operation('mark active', fc.tuple(cpu, intid, cpu), (model, gic, [c, i, source]) => {
      Object.assign(model.at(c, i), { active: true, activeOn: c, activeSource: source })
      gic.markActive(c, i, source)
    }),
    // Everything can be delivered, at one priority.
    operation('ready', fc.constant(0), (model, gic) => {
      model.groupEnables = 3
      gic.writeDistributor(0, 0, 4, 3)
      for (let c = 0; c < CPUS; c++) {
        for (const i of INTIDS) {
          Object.assign(model.at(c, i), { enabled: true, priority: 0x40, ...(i >= 32 ? { route: version === 2 ? 7 : i % 3 } : {}) })
          bitWrite(gic, c, i, 0x100)
          write(gic, c, i, 0x400 + i, 1, 0x40)
          if (i < 32) continue
          if (version === 2) gic.writeDistributor(0, 0x800 + i, 1, 7)
          else gic.writeDistributor(0, 0x6000 + 8 * i, 8, i % 3)
        }
      }
    }),
  )
}

function compare(model: Model, gic: GicDistributor, after: string): void {
  for (let cpu = 0; cpu < CPUS; cpu++) {
    expect(gic.highestPending(cpu), after).toEqual(model.best(cpu))
    expect(gic.listFor(cpu), after).toEqual(list(model, cpu))
    for (const intid of INTIDS) {
      expect([gic.isPending(cpu, intid), gic.isActive(cpu, intid), gic.isEnabled(cpu, intid)], `${after}: ${cpu}/${intid}`)
        .toEqual([model.pending(cpu, intid), model.at(cpu, intid).active, model.at(cpu, intid).enabled])
    }
  }
}

test.each([2, 3] as const)('GICv%i: every answer is that of the model, and every change is announced', version => {
  fc.assert(fc.property(fc.array(operations(version), { maxLength: 60, size: 'max' }), list => {
    const model = new Model(version)
    const gic = new GicDistributor({ version, cpus: CPUS, spis: LIMIT - 32 })
    const told = new Set<number>()
    gic.onChange = cpu => told.add(cpu)
    let before = [0, 1, 2].map(cpu => JSON.stringify(gic.highestPending(cpu)))
    for (const operation of list) {
      told.clear()
      operation.run(model, gic)
      compare(model, gic, operation.name)
      const now = [0, 1, 2].map(cpu => JSON.stringify(gic.highestPending(cpu)))
      for (let cpu = 0; cpu < CPUS; cpu++) if (now[cpu] !== before[cpu]) expect(told.has(cpu), `${operation.name} told ${cpu}`).toBe(true)
      before = now
    }
    // A saved state, through JSON, is the same distributor.
    const copy = new GicDistributor({ version, cpus: CPUS, spis: LIMIT - 32 })
    copy.restore(JSON.parse(JSON.stringify(gic.save())))
    compare(model, copy, 'restored')
    expect(copy.save()).toEqual(gic.save())
    for (let cpu = 0; cpu < CPUS; cpu++) expect(copy.listFor(cpu)).toEqual(gic.listFor(cpu))
  }), { numRuns: RUNS })
})
