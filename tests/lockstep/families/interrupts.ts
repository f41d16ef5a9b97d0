/**
 * Physical interrupts of GICv3: software-generated ones, PPIs (pended by software, and by timers), SPIs, of both groups, to each EL by HCR_EL2.{IMO,FMO,TGE}, with
 * priorities, masks and preemption. Handlers end what they acknowledge at once, or leave it active for snippets to end.
 */
import { DAIF_MASK } from '../../../src/arch/pstate.ts'
import { rowByName } from '../../../src/sysreg/index.ts'
import type { Assembler } from '../../assembler.ts'
import { STACKS } from '../program.ts'
import type { ProgramBuilder } from '../program.ts'
import { anyPstate } from './traps.ts'

const key = (name: string): number => rowByName(name)!.key
const GICD = 0x0800_0000, GICR = 0x080a_0000, SGI_FRAME = GICR + 0x1_0000
const DISTRIBUTOR = { CTLR: 0x0, IGROUPR1: 0x84, ISENABLER1: 0x104, ISPENDR1: 0x204, ICPENDR1: 0x284, IPRIORITYR: 0x400 } as const
const REDISTRIBUTOR = { WAKER: 0x14, IGROUPR0: 0x80, ISENABLER0: 0x100, ICENABLER0: 0x180, ISPENDR0: 0x200, ICPENDR0: 0x280, ISACTIVER0: 0x300, ICACTIVER0: 0x380, IPRIORITYR: 0x400 } as const
/** PPIs of timers, and one that no device drives. */
const PPIS = [26, 27, 30, 22], SGIS = [0, 1, 7, 15], SPIS = [40, 41]
const TIMERS = ['CNTP', 'CNTV'] as const
const IMO_FMO = [0x18n, 0x18n, 0n, 0n, 0x10n, 0x08n] as const

/** A 32-bit store to a device, through X14 and X15. */
function poke(a: Assembler, address: number, value: number): void {
  a.mov(14, BigInt(address))
  a.mov(15, BigInt(value >>> 0))
  a.store(15, 14, 2)
}

const bits = (b: ProgramBuilder, percent: number): number => [...PPIS, ...SGIS].reduce((sum, n) => b.r.chance(percent) ? (sum | 1 << n) >>> 0 : sum, 0)

/**
 * QEMU 10 looks at one pending interrupt, of a group that the Distributor enables: where ICC_IGRPEN<n>_EL1 disables its group, one of the other group is neither
 * signalled nor in ICC_HPPIR<n>_EL1. With two groups both stay enabled.
 */
function access(a: Assembler, b: ProgramBuilder, twoGroups: boolean): void {
  const { r } = b, rt = r.below(13), kind = r.below(100)
  const write = (name: string, value: bigint): void => {
    a.mov(rt, value)
    a.msr(key(name), rt)
  }
  // SGIs to this PE; those of ICC_SGI0R_EL1 that are of Group 1 are not sent. QEMU 10 does not send those of Group 0 by ICC_SGI1R_EL1, which are left out.
  if (kind < 22) {
    const [name, intid] = r.pick([['ICC_SGI1R_EL1', r.pick([7, 15])], ['ICC_SGI1R_EL1', r.pick([7, 15])], ['ICC_SGI0R_EL1', r.pick(SGIS)], ['ICC_ASGI1R_EL1', r.pick(SGIS)]] as const)
    write(name, (BigInt(intid) << 24n) | (r.chance(90) ? 1n : r.chance(50) ? 2n : 1n << 40n))
  } else if (kind < 34) poke(a, SGI_FRAME + r.pick([REDISTRIBUTOR.ISPENDR0, REDISTRIBUTOR.ISPENDR0, REDISTRIBUTOR.ICPENDR0]), bits(b, 30))
  else if (kind < 40) poke(a, GICD + r.pick([DISTRIBUTOR.ISPENDR1, DISTRIBUTOR.ISPENDR1, DISTRIBUTOR.ICPENDR1]), r.pick([0x100, 0x200, 0x300]))
  else if (kind < 44) poke(a, SGI_FRAME + r.pick([REDISTRIBUTOR.ISENABLER0, REDISTRIBUTOR.ICENABLER0]), bits(b, 30))
  else if (kind < 48) poke(a, SGI_FRAME + REDISTRIBUTOR.IPRIORITYR + (r.pick([...SGIS, ...PPIS]) & ~3), r.next() & 0xf8f8_f8f8)
  else if (kind < 51) {
    a.mov(14, BigInt(SGI_FRAME + r.pick([REDISTRIBUTOR.ISPENDR0, REDISTRIBUTOR.ISACTIVER0, REDISTRIBUTOR.ISENABLER0, REDISTRIBUTOR.IGROUPR0, REDISTRIBUTOR.IPRIORITYR + 4])))
    a.load(rt, 14, 2)
  } else if (kind < 59) {
    const timer = r.pick(TIMERS)
    write(`${timer}_${r.pick(['CTL', 'CTL', 'CVAL'])}_EL0`, r.pick([1n, 1n, 0n, 3n, 1n << 50n]))
  } else if (kind < 70) a.mrs(key(r.pick(['ICC_HPPIR1_EL1', 'ICC_HPPIR0_EL1', 'ICC_RPR_EL1', 'ICC_PMR_EL1', 'ICC_BPR0_EL1', 'ICC_BPR1_EL1', 'ICC_CTLR_EL1', 'ICC_AP0R0_EL1', 'ICC_AP1R0_EL1', 'ICC_IGRPEN0_EL1', 'ICC_IGRPEN1_EL1', 'ISR_EL1', 'ISR_EL1', 'ICC_SRE_EL1'])), rt)
  else if (kind < 76) write(...r.pick<readonly [string, bigint]>([['ICC_PMR_EL1', BigInt(r.pick([0xff, 0xf8, 0xf0, 0x80, 0x40, 0]))], ['ICC_BPR0_EL1', BigInt(r.below(8))], ['ICC_BPR1_EL1', BigInt(r.below(8))], ['ICC_IGRPEN0_EL1', BigInt(r.below(2)) | (twoGroups ? 1n : 0n)], ['ICC_IGRPEN1_EL1', BigInt(r.below(2)) | (twoGroups ? 1n : 0n)]]))
  else if (kind < 90) {
    if (b.keepsInterrupts) {
      // What was acknowledged last; 1023 below it, which is ignored.
      const group = r.chance(80) ? 1 : 0
      a.op('LDR (immediate, pre-index)', { sf: 1, imm9: 0x1f8, Rn: 17 + group, Rt: rt })
      a.msr(key(`ICC_EOIR${group}_EL1`), rt)
      if (r.chance(60)) a.msr(key('ICC_DIR_EL1'), rt)
    } else a.op('MSR (immediate), DAIFClr', { CRm: r.below(16) })
  } else a.op(`MSR (immediate), ${r.chance(35) ? 'DAIFSet' : 'DAIFClr'}`, { CRm: r.below(16) })
}

export function interrupts(b: ProgramBuilder): void {
  const { r, target } = b, vhe = target.features.has('FEAT_VHE')
  const start = anyPstate(b, [0, 1, 1, 1, 2, 2]), el = (start >>> 2) & 3
  // One handler must see the interface that the snippets do.
  b.keepsInterrupts = el !== 0 && r.chance(50)
  const twoGroups = !b.keepsInterrupts && r.chance(60)
  const routed = b.keepsInterrupts ? el === 2 ? 0x18n : 0n : r.pick(IMO_FMO)
  b.set('HCR_EL2', 1n << 31n | routed | (vhe && r.chance(30) ? 1n << 34n : 0n) | (el !== 1 && r.chance(25) ? 1n << 27n : 0n))
  b.set('CNTHCTL_EL2', 0xc03n)
  b.set('CNTKCTL_EL1', 0x303n)
  b.pstate = (start & ~DAIF_MASK) | (r.chance(60) ? 0 : r.below(16) << 6)
  b.preamble(a => {
    poke(a, GICD + DISTRIBUTOR.CTLR, r.chance(92) ? 0x13 : 0x10 | r.below(4))
    poke(a, GICR + REDISTRIBUTOR.WAKER, 0)
    poke(a, SGI_FRAME + REDISTRIBUTOR.IGROUPR0, twoGroups ? r.next() | 0x8080 : 0xffff_ffff)
    poke(a, GICD + DISTRIBUTOR.IGROUPR1, twoGroups ? r.next() : 0xffff_ffff)
    for (let n = 0; n < 32; n += 4) poke(a, SGI_FRAME + REDISTRIBUTOR.IPRIORITYR + n, r.next() & 0xf8f8_f8f8)
    poke(a, GICD + DISTRIBUTOR.IPRIORITYR + SPIS[0]!, r.next() & 0xf8f8_f8f8)
    poke(a, SGI_FRAME + REDISTRIBUTOR.ISENABLER0, bits(b, 85))
    poke(a, GICD + DISTRIBUTOR.ISENABLER1, 0x300)
    for (const [name, value] of [
      ['ICC_PMR_EL1', BigInt(r.pick([0xff, 0xff, 0xf8, 0xa0]))], ['ICC_BPR0_EL1', BigInt(r.below(8))], ['ICC_BPR1_EL1', BigInt(r.below(8))], ['ICC_CTLR_EL1', BigInt(b.keepsInterrupts ? r.below(4) : r.below(2))],
      ['ICC_IGRPEN0_EL1', twoGroups || r.chance(90) ? 1n : 0n], ['ICC_IGRPEN1_EL1', twoGroups || r.chance(95) ? 1n : 0n], ['CNTP_CVAL_EL0', 0n], ['CNTV_CVAL_EL0', 0n],
    ] as const) {
      a.mov(0, value)
      a.msr(key(name), 0)
    }
    for (const at of STACKS) {
      a.mov(14, BigInt(at - 128))
      a.mov(15, 1023n)
      for (let n = 0; n < 16; n++) a.store(15, 14, 3, n)
    }
    for (const n of [14, 15]) a.mov(n, BigInt(r.below(4096)))
  })
  for (let n = 0; n < 18; n++) b.snippet(a => access(a, b, twoGroups))
  b.readAtEnd('ICC_RPR_EL1', 'ICC_AP0R0_EL1', 'ICC_AP1R0_EL1', 'ICC_PMR_EL1', 'ICC_HPPIR1_EL1', 'ICC_HPPIR0_EL1', 'ICC_CTLR_EL1', 'ISR_EL1')
}
