/**
 * The generic timers by what software sees of them without a clock: control registers with ISTATUS, compare values, offsets, and who traps whom. Compare values and
 * offsets are far from the count on either side, so that how fast time passes does not matter; the values of counters and timers themselves are masked.
 */
import { MODE, DAIF_MASK } from '../../../src/arch/pstate.ts'
import { rowByName } from '../../../src/sysreg/index.ts'
import type { Assembler, Random } from '../../assembler.ts'
import { exists } from '../program.ts'
import type { ProgramBuilder, Target } from '../program.ts'
import { anyPstate } from './traps.ts'

const key = (name: string): number => rowByName(name)!.key
const bit = (n: number): bigint => 1n << BigInt(n)
const PHYSICAL = [10, 11, 1, 0], HOST_EL0 = [8, 9], TRAPS = [13, 14, 15, 16], EVENTS = [2, 3, 4, 5, 6, 7, 17]
const E2H = bit(34), TGE = bit(27), ECV = bit(12)

const registers = (kind: 'CTL' | 'CVAL' | 'TVAL', target: Target): readonly string[] => [`CNTP_${kind}_EL0`, `CNTV_${kind}_EL0`, `CNTHP_${kind}_EL2`, `CNTHV_${kind}_EL2`, `CNTP_${kind}_EL02`, `CNTV_${kind}_EL02`].filter(name => {
  const row = rowByName(name)
  return row !== undefined && exists(row, target)
})

/** Counts are below 2^40 in any run. */
const compareValue = (r: Random): bigint => r.pick([0n, 1n, bit(44), bit(50) + 5n, bit(62), bit(63), ~0n & 0xffff_ffff_ffff_ffffn, 0xffff_f000_0000_0000n])
const offset = (r: Random): bigint => r.pick([0n, 0n, bit(44), bit(50), bit(63), BigInt.asUintN(64, -bit(46)), BigInt.asUintN(64, -bit(62))])

/**
 * QEMU 10 applies CNTPOFF_EL2 only where SCR_EL3.ECVEn is 1, also on a machine without EL3, where nothing has that bit and the offset applies (pseudocode PhysicalCountInt:
 * "HaveEL(EL3) && SCR_EL3.ECVEn == '0'"): with CNTHCTL_EL2.ECV = 1 it is 0 here.
 */
const physicalOffset = (b: ProgramBuilder): bigint => (b.get('CNTHCTL_EL2') & ECV) !== 0n ? 0n : offset(b.r)

function access(a: Assembler, b: ProgramBuilder, byCount: boolean): void {
  const { r, target } = b, rt = r.below(16), kind = r.below(100)
  const control = (): void => {
    const name = r.pick(registers('CTL', target))
    a.mov(rt, BigInt(r.pick([1, 1, 1, 3, 0, 2, 5, 7])))
    a.msr(key(name), rt)
    if (r.chance(70)) a.mrs(key(name), r.below(16))
  }
  if (kind < 25) control()
  else if (kind < 45) a.mrs(key(r.pick(registers('CTL', target))), rt)
  else if (kind < 65) {
    if (byCount && r.chance(60)) {
      // Beyond the count by half a minute, or just there.
      a.mov(rt, r.pick([0n, 0x7fff_ffffn, 0x7fff_0000n]))
      a.msr(key(r.pick(registers('TVAL', target))), rt)
    } else {
      a.mov(rt, compareValue(r))
      a.msr(key(r.pick(registers('CVAL', target))), rt)
    }
    a.mrs(key(r.pick(registers('CTL', target))), r.below(16))
  } else if (kind < 73) a.mrs(key(r.pick(byCount ? registers('TVAL', target) : registers('CVAL', target))), rt)
  else if (kind < 80) a.mrs(key(r.pick(['CNTPCT_EL0', 'CNTVCT_EL0', 'CNTFRQ_EL0', ...(target.features.has('FEAT_ECV') ? ['CNTPCTSS_EL0', 'CNTVCTSS_EL0'] : [])])), rt)
  else if (kind < 86) {
    a.mov(rt, offset(r))
    a.msr(key('CNTVOFF_EL2'), rt)
    a.mrs(key('CNTV_CTL_EL0'), r.below(16))
  } else if (kind < 90 && target.features.has('FEAT_ECV')) {
    a.mov(rt, physicalOffset(b))
    a.msr(key('CNTPOFF_EL2'), rt)
    a.mrs(key('CNTP_CTL_EL0'), r.below(16))
  } else if (kind < 95) {
    const name = r.pick(['CNTKCTL_EL1', ...(target.features.has('FEAT_VHE') ? ['CNTKCTL_EL12'] : [])])
    a.mov(rt, BigInt(r.below(1024)) & 0x303n)
    a.msr(key(name), rt)
    a.mrs(key(name), r.below(16))
  } else if (kind < 98) a.mrs(key(r.pick(['CNTHCTL_EL2', 'CNTVOFF_EL2', 'CNTKCTL_EL1'])), rt)
  else a.op('SVC', { imm16: r.below(0x700) })
}

export function timers(b: ProgramBuilder): void {
  const { r, target } = b, vhe = target.features.has('FEAT_VHE'), ecv = target.features.has('FEAT_ECV'), start = anyPstate(b, [0, 1, 1, 2])
  const el = (start >>> 2) & 3
  b.set('HCR_EL2', bit(31) | (vhe && r.chance(50) ? E2H : 0n) | (el !== 1 && r.chance(40) ? TGE : 0n))
  const density = r.pick([0, 0, 30, 70])
  const some = (percent: number, positions: readonly number[]): bigint => positions.reduce((value, n) => r.chance(percent) ? value | bit(n) : value, 0n)
  b.set('CNTHCTL_EL2', some(r.pick([50, 100]), PHYSICAL) | some(60, HOST_EL0) | some(density, TRAPS) | (ecv && r.chance(50) ? ECV : 0n) | some(20, EVENTS))
  b.set('CNTKCTL_EL1', some(60, [0, 1, 8, 9]))
  b.set('CNTVOFF_EL2', offset(r))
  if (ecv) b.set('CNTPOFF_EL2', physicalOffset(b))
  b.pstate = el === 0 ? start : DAIF_MASK | (el === 1 ? MODE.EL1h : MODE.EL2h) | (start & 0xf000_0000)
  const byCount = r.chance(40)
  b.preamble(a => {
    // After the offsets: when QEMU's prologue compared, some of them had not been written.
    for (const name of registers('CVAL', target)) {
      if (name.endsWith('_EL02') || rowByName(name)!.minimumEL > (target.withoutEL2 === true ? 1 : 2)) continue
      a.mov(0, compareValue(r))
      a.msr(key(name), 0)
      a.mov(0, BigInt(r.pick([1, 1, 3, 0])))
      a.msr(key(name.replace('CVAL', 'CTL')), 0)
    }
    a.mov(0, 0n)
  })
  for (let n = 0; n < 16; n++) b.snippet(a => access(a, b, byCount))
  b.readAtEnd('CNTP_CTL_EL0', 'CNTV_CTL_EL0', 'CNTHP_CTL_EL2', ...(vhe ? ['CNTHV_CTL_EL2'] : []), ...(byCount ? [] : ['CNTP_CVAL_EL0', 'CNTV_CVAL_EL0', 'CNTHP_CVAL_EL2', ...(vhe ? ['CNTHV_CVAL_EL2'] : [])]), 'CNTVOFF_EL2', 'CNTKCTL_EL1', 'CNTHCTL_EL2')
}
