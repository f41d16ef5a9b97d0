/**
 * The families of per-interrupt registers (IHI0048B table 4-1, IHI0069 tables 12-25 and 12-29). GICv2's GICD and GICv3's GICD and
 * GICR share them; what differs is which interrupts a frame shows.
 */
import type { INTID } from '../../arch/gic.ts'
import type { InterruptState } from './interrupt-state.ts'
import type { Family } from './register-frame.ts'

type Flag = (cpu: number, intid: INTID) => boolean
type SetFlag = (cpu: number, intid: INTID, on: boolean) => void

/** A pair of registers: writing 1 to the first sets the bit, writing 1 to the second clears it, both read the bit. */
function setAndClear(names: readonly [string, string], offset: number, count: number, get: Flag, set: SetFlag): Family[] {
  const read = (cpu: number, intid: INTID): number => get(cpu, intid) ? 1 : 0
  return [
    { name: names[0], offset, bits: 1, count, read, write: (cpu, intid, field) => { if (field !== 0) set(cpu, intid, true) } },
    { name: names[1], offset: offset + 0x80, bits: 1, count, read, write: (cpu, intid, field) => { if (field !== 0) set(cpu, intid, false) } },
  ]
}

/** What GICv2's GICD, GICv3's GICD and SGI_base have in common. `base` is the frame's part where they begin. */
export function commonFamilies(prefix: string, base: number, count: number, state: InterruptState): Family[] {
  return [
    { name: `${prefix}IGROUPR`, offset: base + 0x80, bits: 1, count, read: (cpu, intid) => state.groupOf(cpu, intid), write: (cpu, intid, field) => state.setGroup(cpu, intid, field) },
    ...setAndClear([`${prefix}ISENABLER`, `${prefix}ICENABLER`], base + 0x100, count, (cpu, intid) => state.isEnabled(cpu, intid), (cpu, intid, on) => state.setEnabled(cpu, intid, on)),
    ...setAndClear([`${prefix}ISPENDR`, `${prefix}ICPENDR`], base + 0x200, count, (cpu, intid) => state.isPending(cpu, intid), (cpu, intid, on) => state.setPendingLatch(cpu, intid, on)),
    ...setAndClear([`${prefix}ISACTIVER`, `${prefix}ICACTIVER`], base + 0x300, count, (cpu, intid) => state.isActive(cpu, intid), (cpu, intid, on) => state.setActive(cpu, intid, on)),
    { name: `${prefix}IPRIORITYR`, offset: base + 0x400, bits: 8, count, read: (cpu, intid) => state.priorityOf(cpu, intid), write: (cpu, intid, field) => state.setPriority(cpu, intid, field) },
    // Bit 0 of each pair is reserved in GICv2 and GICv3.
    { name: `${prefix}ICFGR`, offset: base + 0xc00, bits: 2, count, read: (cpu, intid) => state.isEdge(cpu, intid) ? 2 : 0, write: (cpu, intid, field) => state.setEdge(cpu, intid, (field & 2) !== 0) },
    // One security state: reads as zero, ignores writes.
    { name: `${prefix}NSACR`, offset: base + 0xe00, bits: 2, count, read: () => 0 },
  ]
}

/** GICv2 alone: targets, and the SGIs' pending bits by source. */
export function version2Families(state: InterruptState): Family[] {
  const sources = (cpu: number, intid: INTID): number => state.sourcesOf(cpu, intid)
  return [
    {
      name: 'GICD_ITARGETSR', offset: 0x800, bits: 8, count: 1024,
      // A uniprocessor has no targets (RAZ/WI). SGIs and PPIs show the CPU that reads.
      read: (cpu, intid) => state.cpus === 1 ? 0 : intid < 32 ? 1 << cpu : state.routeOf(intid),
      write: (_cpu, intid, field) => { if (state.cpus > 1 && intid >= 32) state.setRoute(intid, field & ((1 << state.cpus) - 1)) },
    },
    { name: 'GICD_CPENDSGIR', offset: 0xf10, bits: 8, count: 16, read: sources, write: (cpu, intid, field) => { if (field !== 0) state.setSources(cpu, intid, sources(cpu, intid) & ~field) } },
    { name: 'GICD_SPENDSGIR', offset: 0xf20, bits: 8, count: 16, read: sources, write: (cpu, intid, field) => { if (field !== 0) state.setSources(cpu, intid, sources(cpu, intid) | (field & ((1 << state.cpus) - 1))) } },
  ]
}

/** Affinity routing makes registers of SGIs and PPIs in the GICD frame RES0: they are in GICR. */
export function sharedOnly(family: Family): Family {
  const write = family.write
  const hidden: Family = { ...family, read: (cpu, intid) => intid < 32 ? 0 : family.read(cpu, intid) }
  return write === undefined ? hidden : { ...hidden, write: (cpu, intid, field) => { if (intid >= 32) write(cpu, intid, field) } }
}

/** GICv3's additions to the GICD frame. */
export function version3Families(state: InterruptState): Family[] {
  return [
    { name: 'GICD_ITARGETSR', offset: 0x800, bits: 8, count: 1024, read: () => 0 },
    { name: 'GICD_IGRPMODR', offset: 0xd00, bits: 1, count: 1024, read: () => 0 },
    {
      name: 'GICD_IROUTER', offset: 0x6000, bits: 64, count: 1020,
      read: (_cpu, intid) => intid < 32 ? 0 : affinityToRouter(state.routeOf(intid)),
      write: (_cpu, intid, field) => { if (intid >= 32) state.setRoute(intid, routerToAffinity(field)) },
    },
  ]
}

/** GICD_IROUTER has Aff3 in bits 39:32 and Aff2..Aff0 in 23:0. Interrupt_Routing_Mode is RES0 (GICD_TYPER.No1N). */
const affinityToRouter = (affinity: number): number => (affinity >>> 24) * 0x1_0000_0000 + (affinity & 0xff_ffff)
const routerToAffinity = (router: number): number => ((Math.floor(router / 0x1_0000_0000) & 0xff) << 24 | (router % 0x1_0000_0000 & 0xff_ffff)) >>> 0
