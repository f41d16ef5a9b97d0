/** ICC_SGI0R_EL1, ICC_SGI1R_EL1 and ICC_ASGI1R_EL1: which CPUs a write names. The machine decodes real writes, a hypervisor trapped ones. */
import type { INTID } from './gic.ts'

export interface SgiRequest {
  readonly intid: INTID
  /** Bitmap of CPUs 0 to 31; the affinity of CPU n is Aff0 = n & 15, Aff1 = n >> 4. */
  readonly targets: number
}

/** Fields (IHI0069 12.2.21): TargetList 15:0, Aff1 23:16, INTID 27:24, Aff2 39:32, IRM 40, RS 47:44, Aff3 55:48. IRM = 1: all but `self`. */
export function sgiRequest(value: bigint, self: number, cpus: number): SgiRequest {
  const low = Number(BigInt.asUintN(32, value))
  const high = Number(BigInt.asUintN(32, value >> 32n))
  const all = cpus >= 32 ? -1 : (1 << cpus) - 1
  const intid = low >>> 24 & 15
  if ((high >>> 8 & 1) !== 0) return { intid, targets: all & ~(1 << self) }
  const aff1 = low >>> 16 & 0xff
  // Range Selector: ICC_CTLR_EL1.RSS = 0, Aff0 is below 16. Aff2 and Aff3 of every CPU are 0.
  const reachable = (high & 0xff) === 0 && (high >>> 12 & 15) === 0 && (high >>> 16 & 0xff) === 0 && aff1 < 2
  return { intid, targets: reachable ? (low & 0xffff) << 16 * aff1 & all : 0 }
}
