import { describe, expect, test } from 'vitest'
import { SPURIOUS } from '../../arch/gic.ts'
import { createDistributor } from './gic.ts'
import { GicDistributor } from './distributor.ts'
import type { DistributorOptions } from './distributor.ts'

const v2 = (options: Partial<DistributorOptions> = {}): GicDistributor => new GicDistributor({ version: 2, cpus: 4, ...options })
const v3 = (options: Partial<DistributorOptions> = {}): GicDistributor => new GicDistributor({ version: 3, cpus: 4, ...options })

/** name, offset, value after reset, what reads back after writing all ones to a fresh distributor (CPU 1). */
type Line = readonly [name: string, offset: number, reset: number, ones: number]

const V2_REGISTERS: readonly Line[] = [
  ['GICD_CTLR', 0x000, 0, 3],
  ['GICD_TYPER', 0x004, 0x68, 0x68], // 288 INTIDs, 4 CPUs
  ['GICD_IIDR', 0x008, 0x0200_143b, 0x0200_143b],
  ['GICD_IGROUPR0', 0x080, 0, 0xffff_ffff],
  ['GICD_IGROUPR8', 0x0a0, 0, 0xffff_ffff],
  ['GICD_IGROUPR9', 0x0a4, 0, 0], // beyond the last SPI
  ['GICD_ISENABLER0', 0x100, 0xffff, 0xffff_ffff],
  ['GICD_ISENABLER1', 0x104, 0, 0xffff_ffff],
  ['GICD_ICENABLER0', 0x180, 0xffff, 0xffff], // SGIs cannot be disabled
  ['GICD_ISPENDR0', 0x200, 0, 0xffff_0000], // SGIs only by GICD_SPENDSGIR
  ['GICD_ISPENDR1', 0x204, 0, 0xffff_ffff],
  ['GICD_ICPENDR1', 0x284, 0, 0],
  ['GICD_ISACTIVER0', 0x300, 0, 0xffff_ffff],
  ['GICD_ICACTIVER1', 0x384, 0, 0],
  ['GICD_IPRIORITYR0', 0x400, 0, 0xf8f8_f8f8],
  ['GICD_IPRIORITYR71', 0x51c, 0, 0xf8f8_f8f8],
  ['GICD_IPRIORITYR72', 0x520, 0, 0],
  ['GICD_ITARGETSR0', 0x800, 0x0202_0202, 0x0202_0202],
  ['GICD_ITARGETSR7', 0x81c, 0x0202_0202, 0x0202_0202],
  ['GICD_ITARGETSR8', 0x820, 0, 0x0f0f_0f0f],
  ['GICD_ICFGR0', 0xc00, 0xaaaa_aaaa, 0xaaaa_aaaa],
  ['GICD_ICFGR1', 0xc04, 0, 0],
  ['GICD_ICFGR2', 0xc08, 0, 0xaaaa_aaaa],
  ['GICD_NSACR2', 0xe08, 0, 0],
  ['GICD_SGIR', 0xf00, 0, 0],
  ['GICD_CPENDSGIR0', 0xf10, 0, 0],
  ['GICD_SPENDSGIR0', 0xf20, 0, 0x0f0f_0f0f],
  ['GICD_PIDR4', 0xfd0, 0x04, 0x04],
  ['GICD_PIDR0', 0xfe0, 0x90, 0x90],
  ['GICD_PIDR2', 0xfe8, 0x2b, 0x2b],
  ['GICD_CIDR0', 0xff0, 0x0d, 0x0d],
  ['GICD_CIDR3', 0xffc, 0xb1, 0xb1],
]

const V3_REGISTERS: readonly Line[] = [
  ['GICD_CTLR', 0x000, 0x50, 0x53],
  ['GICD_TYPER', 0x004, 0x0348_0008, 0x0348_0008],
  ['GICD_IIDR', 0x008, 0x4e00_043b, 0x4e00_043b],
  ['GICD_TYPER2', 0x00c, 0, 0],
  ['GICD_STATUSR', 0x010, 0, 0],
  ['GICD_IGROUPR0', 0x080, 0, 0], // SGIs and PPIs are in GICR
  ['GICD_IGROUPR1', 0x084, 0, 0xffff_ffff],
  ['GICD_ISENABLER0', 0x100, 0, 0],
  ['GICD_ISENABLER1', 0x104, 0, 0xffff_ffff],
  ['GICD_ISPENDR1', 0x204, 0, 0xffff_ffff],
  ['GICD_ISACTIVER1', 0x304, 0, 0xffff_ffff],
  ['GICD_IPRIORITYR7', 0x41c, 0, 0],
  ['GICD_IPRIORITYR8', 0x420, 0, 0xf8f8_f8f8],
  ['GICD_ITARGETSR8', 0x820, 0, 0],
  ['GICD_ICFGR0', 0xc00, 0, 0],
  ['GICD_ICFGR2', 0xc08, 0, 0xaaaa_aaaa],
  ['GICD_IGRPMODR1', 0xd04, 0, 0],
  ['GICD_IROUTER0', 0x6000, 0, 0],
  ['GICD_IROUTER32', 0x6100, 0, 0x00ff_ffff], // no Interrupt_Routing_Mode
  ['GICD_IROUTER32 high', 0x6104, 0, 0xff],
  ['GICD_PIDR2', 0xffe8, 0x3b, 0x3b],
]

const REDISTRIBUTOR: readonly Line[] = [
  ['GICR_CTLR', 0x00, 0, 0],
  ['GICR_IIDR', 0x04, 0x4e00_043b, 0x4e00_043b],
  ['GICR_TYPER', 0x08, 0x100, 0x100],
  ['GICR_TYPER high', 0x0c, 1, 1],
  ['GICR_WAKER', 0x14, 6, 6],
  ['GICR_PROPBASER', 0x70, 0, 0],
  ['GICR_PENDBASER high', 0x7c, 0, 0],
  ['GICR_PIDR2', 0xffe8, 0x3b, 0x3b],
  ['GICR_IGROUPR0', 0x1_0080, 0, 0xffff_ffff],
  ['GICR_ISENABLER0', 0x1_0100, 0, 0xffff_ffff],
  ['GICR_ICENABLER0', 0x1_0180, 0, 0],
  ['GICR_ISPENDR0', 0x1_0200, 0, 0xffff_ffff],
  ['GICR_ISACTIVER0', 0x1_0300, 0, 0xffff_ffff],
  ['GICR_IPRIORITYR0', 0x1_0400, 0, 0xf8f8_f8f8],
  ['GICR_IPRIORITYR7', 0x1_041c, 0, 0xf8f8_f8f8],
  ['GICR_ICFGR0', 0x1_0c00, 0xaaaa_aaaa, 0xaaaa_aaaa],
  ['GICR_ICFGR1', 0x1_0c04, 0, 0],
  ['GICR_IGRPMODR0', 0x1_0d00, 0, 0],
  ['GICR_NSACR', 0x1_0e00, 0, 0],
]

describe('register tables', () => {
  const frames = [
    ['GICv2 GICD', V2_REGISTERS, v2, 'Distributor'],
    ['GICv3 GICD', V3_REGISTERS, v3, 'Distributor'],
    ['GICv3 GICR', REDISTRIBUTOR, v3, 'Redistributor'],
  ] as const
  for (const [frame, lines, make, kind] of frames) {
    test.each(lines)(`${frame}: %s at 0x%x`, (_name, offset, reset, ones) => {
      const gic = make()
      expect(gic[`read${kind}`](1, offset, 4)).toBe(reset)
      expect(gic[`write${kind}`](1, offset, 4, 0xffff_ffff)).toBe(true)
      expect(gic[`read${kind}`](1, offset, 4)).toBe(ones)
    })
  }

  test('sizes: bytes where fields are bytes, double words where they are 64 bits, nothing else', () => {
    const gic2 = v2(), gic3 = v3()
    expect(gic2.writeDistributor(0, 0x421, 1, 0xff)).toBe(true)
    expect(gic2.readDistributor(0, 0x420, 4)).toBe(0xf800)
    expect(gic2.readDistributor(0, 0x823, 1)).toBe(0)
    expect(gic2.readDistributor(0, 0xf21, 1)).toBe(0)
    for (const [offset, size] of [[0x100, 1], [0x100, 8], [0x400, 2], [0x0, 1], [0x402, 4], [0x101, 4], [0xd00, 4], [0x6100, 8], [0x14, 4]] as const) {
      expect(gic2.readDistributor(0, offset, size), `${offset.toString(16)} ${size}`).toBeUndefined()
      expect(gic2.writeDistributor(0, offset, size, 0)).toBe(false)
    }
    expect(gic2.readRedistributor(0, 0, 4)).toBeUndefined()
    expect(gic2.writeRedistributor(0, 0, 4, 0)).toBe(false)
    expect(gic3.writeDistributor(0, 0x6108, 8, 0x12_8034_5678)).toBe(true)
    expect(gic3.readDistributor(0, 0x6108, 8)).toBe(0x12_0034_5678)
    expect(gic3.writeDistributor(0, 0x610c, 4, 0x21)).toBe(true)
    expect(gic3.readDistributor(0, 0x6108, 8)).toBe(0x21_0034_5678)
    expect(gic3.writeDistributor(0, 0x6108, 4, 0x99)).toBe(true)
    expect(gic3.readDistributor(0, 0x6108, 8)).toBe(0x21_0000_0099)
    expect(gic3.readRedistributor(3, 0x8, 8)).toBe(3 * 2 ** 32 + 0x310)
    expect([gic3.readRedistributor(4, 0x1_0080, 4), gic3.writeRedistributor(4, 0x1_0080, 4, 1)]).toEqual([undefined, false])
  })

  test('names of registers for messages', () => {
    expect(v2().registerName('GICD', 0x10c)).toBe('GICD_ISENABLER3')
    expect(v2().registerName('GICD', 0x421)).toBe('GICD_IPRIORITYR8')
    expect(v3().registerName('GICD', 0x6108)).toBe('GICD_IROUTER33')
    expect(v3().registerName('GICR', 0xc)).toBe('GICR_TYPER')
    expect(v3().registerName('GICR', 0x4000)).toBeUndefined()
  })

  test('a uniprocessor has no targets', () => {
    const gic = v2({ cpus: 1 })
    gic.writeDistributor(0, 0x820, 4, 0xffff_ffff)
    expect(gic.readDistributor(0, 0x820, 4)).toBe(0)
    expect(gic.readDistributor(0, 0x800, 4)).toBe(0)
    gic.writeDistributor(0, 0x0, 4, 1)
    gic.writeDistributor(0, 0x104, 4, 1)
    gic.setSpiLevel(32, true)
    expect(gic.highestPending(0)?.intid).toBe(32)
  })

  test('options out of range are refused, odd SPI counts rounded up', () => {
    expect(() => createDistributor({ version: 2, cpus: 9 })).toThrow(RangeError)
    expect(() => createDistributor({ version: 3, cpus: 0 })).toThrow(RangeError)
    expect(() => createDistributor({ version: 3, cpus: 1, spis: 989 })).toThrow(RangeError)
    expect(v2({ spis: 33 }).readDistributor(0, 4, 4)! & 31).toBe(2)
    const largest = v3({ spis: 988 })
    expect(largest.readDistributor(0, 4, 4)! & 31).toBe(31)
    largest.writeDistributor(0, 0x17c, 4, 0xffff_ffff)
    expect(largest.readDistributor(0, 0x17c, 4)).toBe(0x0fff_ffff) // 1020 to 1023 do not exist
    expect(v3({ priorityBits: 8 }).writeDistributor(0, 0x420, 4, 0xffff_ffff)).toBe(true)
  })
})

/** A GICv2 distributor with Group 0 on, everything enabled at priority 0xa0, SPIs to CPU 0. */
function ready2(options: Partial<DistributorOptions> = {}): GicDistributor {
  const gic = v2(options)
  gic.writeDistributor(0, 0x0, 4, 3)
  for (let word = 0; word < 10; word++) for (let cpu = 0; cpu < gic.cpus; cpu++) gic.writeDistributor(cpu, 0x100 + 4 * word, 4, 0xffff_ffff)
  for (let word = 0; word < 80; word++) for (let cpu = 0; cpu < gic.cpus; cpu++) gic.writeDistributor(cpu, 0x400 + 4 * word, 4, 0xa0a0_a0a0)
  for (let word = 8; word < 80; word++) gic.writeDistributor(0, 0x800 + 4 * word, 4, 0x0101_0101)
  return gic
}

const pending = (gic: GicDistributor, cpu: number): number => gic.highestPending(cpu)?.intid ?? SPURIOUS

describe('level and edge', () => {
  test('a level-sensitive SPI follows its line', () => {
    const gic = ready2()
    gic.setSpiLevel(40, true)
    expect(pending(gic, 0)).toBe(40)
    gic.setSpiLevel(40, false)
    expect(pending(gic, 0)).toBe(SPURIOUS)
    gic.setSpiLevel(40, true)
    gic.activate(0, 40, 0)
    expect([pending(gic, 0), gic.isPending(0, 40), gic.isActive(0, 40)]).toEqual([SPURIOUS, true, true]) // active and pending
    gic.deactivate(0, 40, 0)
    expect(pending(gic, 0)).toBe(40)
  })

  test('an edge-triggered SPI latches, and once more while active', () => {
    const gic = ready2()
    gic.writeDistributor(0, 0xc08, 4, 2 << 16) // INTID 40
    expect(gic.isEdge(40, 0)).toBe(true)
    gic.setSpiLevel(40, true)
    gic.setSpiLevel(40, false)
    expect(pending(gic, 0)).toBe(40)
    gic.activate(0, 40, 0)
    expect(gic.isPending(0, 40)).toBe(false)
    gic.setSpiLevel(40, true)
    gic.setSpiLevel(40, true)
    expect([gic.isPending(0, 40), pending(gic, 0)]).toEqual([true, SPURIOUS])
    gic.deactivate(0, 40, 0)
    expect(pending(gic, 0)).toBe(40)
    gic.activate(0, 40, 0)
    gic.deactivate(0, 40, 0)
    expect(pending(gic, 0)).toBe(SPURIOUS) // the line is still high: no new edge
  })

  test('ISPENDR latches a level-sensitive interrupt until it is acknowledged; ICPENDR does not lower the line', () => {
    const gic = ready2()
    gic.writeDistributor(0, 0x204, 4, 1 << 8)
    expect(pending(gic, 0)).toBe(40)
    gic.activate(0, 40, 0)
    expect(gic.isPending(0, 40)).toBe(false)
    gic.deactivate(0, 40, 0)
    gic.setSpiLevel(40, true)
    gic.writeDistributor(0, 0x284, 4, 1 << 8)
    expect(pending(gic, 0)).toBe(40)
  })

  test('PPIs are banked and level-sensitive', () => {
    const gic = ready2()
    gic.setPpiLevel(2, 27, true)
    expect([0, 1, 2, 3].map(cpu => pending(gic, cpu))).toEqual([SPURIOUS, SPURIOUS, 27, SPURIOUS])
    expect(gic.readDistributor(2, 0x200, 4)).toBe(1 << 27)
    expect(gic.readDistributor(1, 0x200, 4)).toBe(0)
  })

  test('lines of interrupts that do not exist are ignored', () => {
    const gic = ready2()
    gic.setSpiLevel(5000, true)
    gic.setSpiLevel(27, true)
    gic.setPpiLevel(0, 40, true)
    gic.setPpiLevel(0, 3, true)
    gic.activate(0, 1023, 0)
    gic.deactivate(0, 1023, 0)
    expect(pending(gic, 0)).toBe(SPURIOUS)
    expect([gic.isPending(0, 1023), gic.isActive(0, 1023), gic.isEnabled(0, 1023), gic.isEdge(1023, 0), gic.groupOf(0, 1023), gic.priorityOf(0, 1023)]).toEqual([false, false, false, false, 0, 0xff])
  })

  test('lines stay high over a reset: they belong to the devices', () => {
    const gic = ready2()
    gic.setSpiLevel(40, true)
    gic.reset()
    expect(gic.readDistributor(0, 0x204, 4)).toBe(1 << 8)
    expect(pending(gic, 0)).toBe(SPURIOUS)
  })
})

describe('selection', () => {
  test('lowest priority value, then lowest INTID, then lowest source', () => {
    const gic = ready2()
    gic.setSpiLevel(50, true)
    gic.setSpiLevel(41, true)
    expect(pending(gic, 0)).toBe(41)
    gic.writeDistributor(0, 0x400 + 50, 1, 0x98)
    expect(gic.highestPending(0)).toEqual({ intid: 50, priority: 0x98, group: 0, source: 0 })
    gic.writeDistributor(0, 0x400 + 7, 1, 0x10)
    gic.sendSgi(3, 0, 7)
    gic.sendSgi(1, 0, 7)
    expect(gic.highestPending(0)).toEqual({ intid: 7, priority: 0x10, group: 0, source: 1 })
    gic.activate(0, 7, 1)
    gic.deactivate(0, 7, 1)
    expect(gic.highestPending(0)).toEqual({ intid: 7, priority: 0x10, group: 0, source: 3 })
  })

  test('group enables', () => {
    const gic = ready2()
    gic.writeDistributor(0, 0x84, 4, 1 << 8)
    gic.setSpiLevel(40, true)
    gic.setSpiLevel(41, true)
    const answer: number[] = []
    for (const enables of [0, 1, 2, 3]) {
      gic.writeDistributor(0, 0x0, 4, enables)
      answer.push(pending(gic, 0))
    }
    expect(answer).toEqual([SPURIOUS, 41, 40, 40])
    expect(gic.highestPendingOfGroup(0, 0)?.intid).toBe(41)
  })

  test('GICv2: an SPI is offered to all its targets, or to the lowest', () => {
    for (const targets of ['all', 'lowest'] as const) {
      const gic = ready2({ targets })
      gic.writeDistributor(0, 0x828, 1, 0x0a)
      expect(gic.readDistributor(0, 0x828, 1)).toBe(0x0a)
      gic.setSpiLevel(40, true)
      expect([0, 1, 2, 3].map(cpu => pending(gic, cpu))).toEqual([SPURIOUS, 40, SPURIOUS, targets === 'all' ? 40 : SPURIOUS])
      gic.activate(1, 40, 0)
      expect(pending(gic, 3)).toBe(SPURIOUS)
    }
  })

  test('GICv3: an SPI goes where IROUTER says, and nowhere if there is no such PE', () => {
    const gic = v3({ cpus: 2 })
    gic.writeDistributor(0, 0x0, 4, 2)
    gic.writeDistributor(0, 0x84, 4, 0xffff_ffff)
    gic.writeDistributor(0, 0x104, 4, 0xffff_ffff)
    gic.setSpiLevel(33, true)
    const where = (): number[] => [pending(gic, 0), pending(gic, 1)]
    expect(where()).toEqual([33, SPURIOUS])
    gic.writeDistributor(0, 0x6108, 8, 1)
    expect(where()).toEqual([SPURIOUS, 33])
    for (const affinity of [2, 0x10, 0x100, 0x1_0000, 0x1_0000_0000]) {
      gic.writeDistributor(0, 0x6108, 8, affinity)
      expect(where(), affinity.toString(16)).toEqual([SPURIOUS, SPURIOUS])
    }
  })
})

describe('software-generated interrupts', () => {
  /** GICD_SGIR as written by CPU 1, and the CPUs that get the SGI. */
  test.each([
    [0x0005_0003, [0, 2]], [0x0100_0003, [0, 2, 3]], [0x0200_0003, [1]], [0x0300_0003, []], [0x00f0_0003, []], [0x01ff_0003, [0, 2, 3]],
  ])('GICv2: GICD_SGIR = 0x%x', (value, targets) => {
    const gic = ready2()
    gic.writeDistributor(1, 0xf00, 4, value)
    expect([0, 1, 2, 3].filter(cpu => gic.isPending(cpu, 3))).toEqual(targets)
    for (const cpu of targets) expect(gic.readDistributor(cpu, 0xf20, 4)).toBe(0x0200_0000)
  })

  test('GICv2: pending once per source; SPENDSGIR and CPENDSGIR', () => {
    const gic = ready2()
    gic.writeDistributor(0, 0xf20, 1, 0xff)
    expect(gic.readDistributor(0, 0xf10, 1)).toBe(0x0f)
    gic.writeDistributor(0, 0xf10, 1, 0x05)
    expect(gic.highestPending(0)?.source).toBe(1)
    gic.activate(0, 0, 1)
    expect([gic.isActive(0, 0), gic.isPending(0, 0), pending(gic, 0)]).toEqual([true, true, SPURIOUS])
    gic.deactivate(0, 0, 1)
    expect(gic.highestPending(0)?.source).toBe(3)
    gic.writeDistributor(0, 0xf10, 1, 0x08)
    expect(pending(gic, 0)).toBe(SPURIOUS)
  })

  test('GICv3: one pending bit per target, and it can be disabled', () => {
    const gic = v3()
    gic.writeDistributor(0, 0x0, 4, 3)
    gic.sendSgi(1, 2, 5)
    gic.sendSgi(3, 2, 5)
    expect(pending(gic, 2)).toBe(SPURIOUS)
    gic.writeRedistributor(2, 0x1_0100, 4, 1 << 5)
    expect(gic.highestPending(2)).toEqual({ intid: 5, priority: 0, group: 0, source: 0 })
    gic.activate(2, 5, 0)
    gic.deactivate(2, 5, 0)
    expect(pending(gic, 2)).toBe(SPURIOUS)
  })
})

describe('what a hypervisor asks', () => {
  test('the list has pending and active interrupts, best first, one entry per source of a GICv2 SGI', () => {
    const gic = ready2()
    gic.sendSgi(1, 0, 3)
    gic.sendSgi(2, 0, 3)
    gic.setPpiLevel(0, 27, true)
    gic.writeDistributor(0, 0x400 + 27, 1, 0x40)
    gic.setSpiLevel(40, true)
    gic.activate(0, 40, 0)
    gic.activate(0, 3, 1)
    const list = gic.listFor(0).map(each => [each.intid, each.source, each.pending, each.active, each.edge, each.line])
    expect(list).toEqual([[27, 0, true, false, false, true], [3, 1, false, true, true, false], [3, 2, true, false, true, false], [40, 0, true, true, false, true]])
    expect(gic.listFor(1)).toEqual([])
  })

  test('an active SPI is listed where it was activated, even when disabled or routed elsewhere', () => {
    const gic = ready2()
    gic.writeDistributor(0, 0x828, 1, 0x03)
    gic.setSpiLevel(40, true)
    gic.activate(1, 40, 0)
    gic.writeDistributor(0, 0x184, 4, 1 << 8)
    gic.writeDistributor(0, 0x828, 1, 0x04)
    expect(gic.listFor(1).map(each => [each.intid, each.pending, each.active])).toEqual([[40, false, true]])
    expect([0, 2, 3].map(cpu => gic.listFor(cpu))).toEqual([[], [], []])
  })
})

test('onChange names the CPUs whose answer may differ, and no others', () => {
  const gic = ready2()
  const calls: number[] = []
  gic.onChange = cpu => calls.push(cpu)
  const during = (action: () => void): number[] => {
    calls.length = 0
    action()
    return [...new Set(calls)].toSorted()
  }
  expect(during(() => gic.setPpiLevel(2, 27, true))).toEqual([2])
  expect(during(() => gic.setPpiLevel(2, 27, true))).toEqual([])
  expect(during(() => gic.setSpiLevel(40, true))).toEqual([0])
  expect(during(() => gic.writeDistributor(1, 0x828, 1, 0x08))).toEqual([0, 3])
  expect(during(() => gic.writeDistributor(1, 0x428, 1, 0x10))).toEqual([3])
  expect(during(() => gic.activate(3, 40, 0))).toEqual([3])
  expect(during(() => gic.writeDistributor(1, 0x104, 4, 0xffff_ffff))).toEqual([])
  expect(during(() => gic.writeDistributor(1, 0xf00, 4, 0x0000_0003))).toEqual([])
})
