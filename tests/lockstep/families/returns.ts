/** Exception returns to everything: legal modes and illegal ones, misaligned and non-canonical addresses, PSTATE bits of all kinds. */
import { rowByName } from '../../../src/sysreg/index.ts'
import { DATA } from '../program.ts'
import type { ProgramBuilder } from '../program.ts'
import { anyOperation, anyPstate, randomControls } from './traps.ts'

/** AArch32 modes are left out: QEMU's CPUs have AArch32 at EL0, ours do not. */

/** N, Z, C, V, PAN, IL, DAIF and M: not SS, which needs a debugger. */
const SPSR_BITS = 0xf050_03dfn

export function returns(b: ProgramBuilder): void {
  const { r } = b
  if (r.chance(50)) randomControls(b)
  else b.set('HCR_EL2', 1n << 31n)
  b.set('SCTLR_EL1', (r.chance(50) ? 0x18n : 0n) | (1n << 23n))
  b.set('SCTLR_EL2', (r.chance(50) ? 0x18n : 0n) | (1n << 23n))
  b.pstate = anyPstate(b, [1, 2, 2])
  for (let n = 0; n < 8; n++) {
    b.snippet(a => {
      const el = r.chance(50) || b.target.withoutEL2 === true ? 1 : 2
      const mode = r.pick([0n, 4n, 5n, 8n, 9n, 9n, 5n, 1n, 2n, 6n, 13n, 12n])
      a.mov(0, (r.u64() & SPSR_BITS & ~0x1fn) | mode)
      a.msr(rowByName(`SPSR_EL${el}`)!.key, 0)
      if (r.chance(75)) a.adr(1, `after ${n}`)
      else a.mov(1, r.pick([BigInt(DATA + 2), BigInt(DATA + 1), 0x00f0_0000_4020_0000n, 0xffff_0000_0000_0000n, 0x4_4020_0000n]))
      a.msr(rowByName(`ELR_EL${el}`)!.key, 1)
      a.eret()
      a.label(`after ${n}`)
      a.addImmediate(31, 31, 8 * r.below(4))
      if (r.chance(50)) a.load(2, 31, 3)
      anyOperation(a, b)
    })
  }
}
