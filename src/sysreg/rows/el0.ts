/** PSTATE fields and other state that MRS and MSR reach, thread pointers, and the floating-point control registers. */
import { register } from '../row.ts'
import { FP, HCR, SCTLR, fgt } from '../trap-rules.ts'

const EL01 = [0, 1] as const
const pstate = { storage: 'special', effect: 'pstate' } as const

export const EL0_ROWS = {
  SPSel: register(3, 0, 4, 2, 0, { fields: 'SP 0', ...pstate }),
  CurrentEL: register(3, 0, 4, 2, 2, { access: 'RO', fields: 'EL 3:2', ...pstate }),
  PAN: register(3, 0, 4, 2, 3, { feature: 'FEAT_PAN', fields: 'PAN 22', ...pstate }),
  UAO: register(3, 0, 4, 2, 4, { feature: 'FEAT_UAO', fields: 'UAO 23', ...pstate }),
  NZCV: register(3, 3, 4, 2, 0, { fields: 'V 28, C 29, Z 30, N 31', ...pstate }),
  DAIF: register(3, 3, 4, 2, 1, { fields: 'F 6, I 7, A 8, D 9', traps: SCTLR.UMA, ...pstate }),
  FPCR: register(3, 3, 4, 4, 0, { fields: 'RMode 23:22, FZ 24, DN 25, AHP 26', traps: FP, effect: 'fp' }),
  FPSR: register(3, 3, 4, 4, 1, { fields: 'IOC 0, DZC 1, OFC 2, UFC 3, IXC 4, IDC 7, QC 27', traps: FP, effect: 'fp' }),
  DSPSR_EL0: register(3, 3, 4, 5, 0, { minimumEL: 3 }),
  DLR_EL0: register(3, 3, 4, 5, 1, { minimumEL: 3 }),
  TPIDR_EL0: register(3, 3, 13, 0, 2, { traps: fgt('TPIDR_EL0', 'RW', EL01) }),
  TPIDRRO_EL0: register(3, 3, 13, 0, 3, { writeMinimumEL: 1, traps: fgt('TPIDRRO_EL0', 'RW', EL01) }),

  // Pointer authentication keys.
  APIAKeyLo_EL1: register(3, 0, 2, 1, 0, key('APIAKey')), APIAKeyHi_EL1: register(3, 0, 2, 1, 1, key('APIAKey')),
  APIBKeyLo_EL1: register(3, 0, 2, 1, 2, key('APIBKey')), APIBKeyHi_EL1: register(3, 0, 2, 1, 3, key('APIBKey')),
  APDAKeyLo_EL1: register(3, 0, 2, 2, 0, key('APDAKey')), APDAKeyHi_EL1: register(3, 0, 2, 2, 1, key('APDAKey')),
  APDBKeyLo_EL1: register(3, 0, 2, 2, 2, key('APDBKey')), APDBKeyHi_EL1: register(3, 0, 2, 2, 3, key('APDBKey')),
  APGAKeyLo_EL1: register(3, 0, 2, 3, 0, key('APGAKey')), APGAKeyHi_EL1: register(3, 0, 2, 3, 1, key('APGAKey')),
} as const

function key(field: string) {
  return { feature: 'FEAT_PAuth', traps: [HCR.APK, ...fgt(field)] } as const
}
