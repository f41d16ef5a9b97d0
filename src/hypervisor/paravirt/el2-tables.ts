/**
 * Stage 1 tables of an nVHE guest hypervisor on a machine without HCR_EL2.NV1: they have the format of EL2 and are walked as EL1&0's.
 * Both formats agree on everything that KVM maps but for one case (Arm ARM D8.4.1 "Data access permissions"): AP[1] is RES1 at EL2 and
 * means EL0 access at EL1, and what EL0 may write EL1 never executes. Such a page is refused by name; converting tables is not built.
 */
const VALID = 1n, TABLE = 3n
const AP2_READ_ONLY = 1n << 7n, XN = 1n << 54n, PXN = 1n << 53n
const ADDRESS = 0xffff_ffff_f000n
/** APTable[1] (bit 62: read-only below), XNTable (60) and, of EL1&0 alone, PXNTable (59) and APTable[0] (61). */
const TABLE_READ_ONLY = 1n << 62n, TABLE_XN = 1n << 60n, TABLE_ONLY_EL1 = (1n << 59n) | (1n << 61n)
/** Tables that are looked at before the walk gives up: hostile tables may point at themselves. */
const MOST_TABLES = 256

const hex = (value: bigint): string => `0x${value.toString(16)}`

/** What cannot be run at EL1, or undefined. `read64` reads guest memory by IPA. Only the 4 KiB granule is looked at. */
export function refuseTables(read64: (ipa: number) => bigint | undefined, ttbr0: bigint, tcr: bigint): string | undefined {
  const granule = (tcr >> 14n) & 3n, t0sz = Number(tcr & 0x3fn)
  if (granule !== 0n) return `its EL2 tables have a granule that is not 4 KiB (TCR_EL2 = ${hex(tcr)})`
  const bits = Math.min(48, Math.max(25, 64 - t0sz)), start = 4 - Math.ceil((bits - 12) / 9)
  let tables = 0
  const visit = (table: bigint, level: number, va: bigint, readOnly: boolean, xn: boolean): string | undefined => {
    if (++tables > MOST_TABLES) return undefined
    const shift = BigInt(12 + 9 * (3 - level))
    const entries = level === start ? 2 ** (bits - Number(shift)) : 512
    for (let i = 0; i < entries; i++) {
      const descriptor = read64(Number(table) + 8 * i)
      if (descriptor === undefined || (descriptor & VALID) === 0n) continue
      const at = va | (BigInt(i) << shift)
      if (level < 3 && (descriptor & 3n) === TABLE) {
        if ((descriptor & TABLE_ONLY_EL1) !== 0n) return `its EL2 table descriptor for ${hex(at)} has bits that only EL1 knows (${hex(descriptor)})`
        const found = visit(descriptor & ADDRESS, level + 1, at, readOnly || (descriptor & TABLE_READ_ONLY) !== 0n, xn || (descriptor & TABLE_XN) !== 0n)
        if (found !== undefined) return found
        continue
      }
      if (level === 3 && (descriptor & 3n) !== TABLE) continue
      const executable = !xn && (descriptor & XN) === 0n, writable = !readOnly && (descriptor & AP2_READ_ONLY) === 0n
      if (executable && writable) return `its EL2 tables map ${hex(at)} both writable and executable, which EL1 without HCR_EL2.NV1 cannot execute`
      if (executable && (descriptor & PXN) !== 0n) return `its EL2 tables set bit 53 for ${hex(at)}, which is PXN at EL1`
    }
    return undefined
  }
  return visit(ttbr0 & ADDRESS, start, 0n, false, false)
}
