/** Software at EL1 that believes to be at EL2: FEAT_NV with and without NV1, FEAT_NV2 and its page, which may be missing. */
import { rowByName } from '../../../src/sysreg/index.ts'
import { VNCR_PAGE } from '../program.ts'
import type { ProgramBuilder } from '../program.ts'
import { anyOperation, anyPstate, poolsOf, randomControls } from './traps.ts'

const NV = 1n << 42n, NV1 = 1n << 43n, AT = 1n << 44n, NV2 = 1n << 45n
const PAGE_BYTES = 0x1000
/** An address without memory or device. */
const NOWHERE = 0x4_4020_0000n

export function nested(b: ProgramBuilder): void {
  const { r } = b
  if (r.chance(50)) randomControls(b)
  else b.set('HCR_EL2', (1n << 31n) | (r.chance(30) ? 1n << 34n : 0n))
  b.set('HCR_EL2', (b.get('HCR_EL2') & ~(1n << 27n)) | (r.chance(92) ? NV : 0n) | (r.chance(50) ? NV1 : 0n) | (r.chance(70) ? NV2 : 0n) | (r.chance(20) ? AT : 0n))
  b.set('VNCR_EL2', r.chance(90) ? BigInt(VNCR_PAGE) : NOWHERE)
  const page = new Uint8Array(PAGE_BYTES)
  for (let at = 0; at < PAGE_BYTES; at += 4) new DataView(page.buffer).setUint32(at, r.next(), true)
  b.place(VNCR_PAGE, page)
  b.compare(VNCR_PAGE, PAGE_BYTES)
  b.pstate = anyPstate(b, [1, 1, 1, 1, 0, 2])
  const { reads, writes } = poolsOf(b.target)
  const high = { reads: reads.filter(row => row.minimumEL === 2), writes: writes.filter(row => row.minimumEL === 2) }
  for (let n = 0; n < 12; n++) {
    b.snippet(a => {
      const kind = r.below(100), rt = r.below(16)
      if (kind < 35) a.mrs(r.pick(high.reads).key, rt)
      else if (kind < 60) {
        const row = r.pick(high.writes)
        a.mov(rt, b.legal(row.aliasOf ?? row.name, r.u64()))
        a.msr(row.key, rt)
        if (row.access === 'RW') a.mrs(row.key, r.below(16))
      } else if (kind < 66) a.op('MRS', { o0: 1, op1: 0, CRn: 4, CRm: 2, op2: 2, Rt: rt })
      else if (kind < 74) {
        // Traps, or returns to the next snippet.
        a.mov(0, BigInt(b.pstate >>> 0))
        a.msr(rowByName('SPSR_EL1')!.key, 0)
        a.msr(rowByName('ELR_EL1')!.key, 27)
        a.eret()
      } else anyOperation(a, b)
    })
  }
}
