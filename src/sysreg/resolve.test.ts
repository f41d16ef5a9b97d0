/** One line per case of nested-arch.md a.3, a.5, a.6, a.7 and of the NEVE paper's tables: register, direction, what it means. */
import { describe, expect, test } from 'vitest'
import { createRegisterFile } from '../arch/register-file.ts'
import { profile } from '../arch/features.ts'
import type { ProfileName } from '../arch/features.ts'
import type { Direction, EL } from '../arch/el.ts'
import { encodingKey } from '../arch/esr.ts'
import type { Controls } from './controls.ts'
import { fieldMask } from './fields.ts'
import { cellOf } from './matrix.ts'
import { resetValues } from './reset.ts'
import { resolve, resolveUnallocated, sanitise } from './resolve.ts'
import { ROWS, SLOT, SLOTS, rowByKey, rowByName } from './table.ts'
import type { RegisterName } from './table.ts'

/** Reset values with APK and API set, then `REGISTER.FIELD` for each word of `set`; `!` clears. */
function controls(name: ProfileName, set: string, gicVersion: 2 | 3 = 3): Controls {
  const file = resetValues(profile(name), { pe: 0, gicVersion }, createRegisterFile(SLOTS))
  for (const word of `HCR_EL2.APK HCR_EL2.API CPACR_EL1.FPEN ${set}`.trim().split(' ')) {
    const [register, field] = word.replace('!', '').split('.') as [RegisterName, string]
    const row = rowByName(register)!, mask = fieldMask(row.fields!.find(candidate => candidate.name === field)!)
    const value = file.u64[row.slot]!
    file.u64[row.slot] = word.startsWith('!') ? value & ~mask : value | mask
  }
  return { file, features: profile(name).features, gicVersion }
}

function outcome(name: string, direction: Direction, el: EL, state: Controls): string {
  const row = rowByName(name)
  if (row === undefined) throw new Error(`no row ${name}`)
  return cellOf(resolve(row, direction, el, state), row)
}

/** `read, write` of each register. */
function check(profileName: ProfileName, el: EL, set: string, cases: Readonly<Record<string, string>>): void {
  const state = controls(profileName, set)
  for (const [names, expected] of Object.entries(cases)) {
    for (const name of names.split(' ')) {
      const [read, write = read] = expected.split(', ')
      expect(`${name}: ${outcome(name, 'read', el, state)}, ${outcome(name, 'write', el, state)}`).toBe(`${name}: ${read}, ${write}`)
    }
  }
}

const NV = 'HCR_EL2.NV', NV1 = 'HCR_EL2.NV HCR_EL2.NV1', NV2 = 'HCR_EL2.NV HCR_EL2.NV2', NV12 = `${NV1} HCR_EL2.NV2`

describe('nested virtualization at EL1', () => {
  test('without NV, EL2 does not exist for EL1', () => {
    check('v8.4', 1, '', { 'HCR_EL2 VTTBR_EL2 ELR_EL2 SPSR_EL2 SP_EL1 SP_EL2 SCTLR_EL12 CNTV_CTL_EL02 ICH_LR0_EL2': '-', 'SCTLR_EL1 ELR_EL1 CNTV_CTL_EL0': 'reg' })
  })
  test('NV1 and NV2 need NV', () => {
    check('v8.4', 1, 'HCR_EL2.NV1 HCR_EL2.NV2', { 'HCR_EL2 SCTLR_EL12': '-', 'VBAR_EL1 SCTLR_EL1 ELR_EL1': 'reg' })
  })
  test('NV traps what works from EL2 on', () => {
    check('v8.3', 1, NV, {
      'HCR_EL2 VTTBR_EL2 ELR_EL2 SPSR_EL2 ESR_EL2 FAR_EL2 SP_EL1 SCTLR_EL12 CPACR_EL12 CNTV_CTL_EL02 CNTKCTL_EL12 CNTP_TVAL_EL02 ICH_LR0_EL2 ICC_SRE_EL2': 'trap2',
      'SP_EL2': '-', 'ICH_VTR_EL2': 'trap2, -', 'VBAR_EL1 ELR_EL1 SPSR_EL1 SCTLR_EL1': 'reg', 'DACR32_EL2 SPSR_irq': '-',
    })
  })
  test('NV1 adds three EL1 names', () => {
    check('v8.3', 1, NV1, { 'VBAR_EL1 ELR_EL1 SPSR_EL1': 'trap2', 'SCTLR_EL1 TTBR0_EL1 ESR_EL1': 'reg', 'HCR_EL2 SCTLR_EL12': 'trap2' })
  })
  test('NV2, VHE guest hypervisor: EL2 names and host names of EL1 registers are memory', () => {
    check('v8.4', 1, NV2, {
      HCR_EL2: '[78]', VTTBR_EL2: '[20]', VTCR_EL2: '[40]', VMPIDR_EL2: '[50]', VPIDR_EL2: '[88]', HSTR_EL2: '[80]', TPIDR_EL2: '[90]', CNTVOFF_EL2: '[60]', VNCR_EL2: '[b0]', SP_EL1: '[240]',
      'SPSR_EL2': 'SPSR_EL1', 'ELR_EL2': 'ELR_EL1', 'ESR_EL2': 'ESR_EL1', 'FAR_EL2': 'FAR_EL1',
      SCTLR_EL12: '[110]', CPACR_EL12: '[100]', ELR_EL12: '[230]', VBAR_EL12: '[250]', CNTV_CTL_EL02: '[170]', CNTP_CVAL_EL02: '[178]', 'CNTKCTL_EL12 CNTV_TVAL_EL02': 'trap2',
      'SCTLR_EL1 ELR_EL1 VBAR_EL1 CNTV_CTL_EL0': 'reg', ACTLR_EL1: '[118]', MDSCR_EL1: '[158]', ICH_LR15_EL2: '[478]', ICH_AP1R0_EL2: '[4a0]', ICH_AP1R3_EL2: '-', ICH_HCR_EL2: '[4c0]', ICH_VMCR_EL2: '[4c8]',
      'SCTLR_EL2 TCR_EL2 TTBR0_EL2 TTBR1_EL2 VBAR_EL2 MAIR_EL2 AMAIR_EL2 AFSR0_EL2 CONTEXTIDR_EL2 CPTR_EL2 MDCR_EL2 HACR_EL2 ACTLR_EL2 HPFAR_EL2 CNTHCTL_EL2 CNTHP_CTL_EL2 CNTHV_CVAL_EL2 ICC_SRE_EL2': 'trap2',
      'ICH_VTR_EL2 ICH_MISR_EL2 ICH_EISR_EL2 ICH_ELRSR_EL2': 'trap2, -', SP_EL2: '-', HFGRTR_EL2: '[1b8]', HDFGWTR_EL2: '[1d8]', CNTPOFF_EL2: '[1a8]', HCRX_EL2: '-',
    })
  })
  test('NV2 with NV1, nVHE guest hypervisor: EL1 names are memory', () => {
    check('v8.4', 1, NV12, {
      SCTLR_EL1: '[110]', CPACR_EL1: '[100]', ELR_EL1: '[230]', SPSR_EL1: '[160]', VBAR_EL1: '[250]', FAR_EL1: '[220]', CNTV_CTL_EL0: '[170]', CNTP_CVAL_EL0: '[178]', SP_EL1: '[240]', HCR_EL2: '[78]',
      'SCTLR_EL12 CNTV_CTL_EL02 ELR_EL12': 'trap2', 'ELR_EL2': 'ELR_EL1', 'TPIDR_EL1 PAR_EL1 CSSELR_EL1 CNTKCTL_EL1 CNTV_TVAL_EL0 SP_EL0': 'reg',
    })
  })
  test('ordinary traps come before the NV2 transformation', () => {
    check('v8.4', 1, `${NV12} HCR_EL2.TVM CPTR_EL2.TCPAC HFGRTR_EL2.VBAR_EL1 CNTHCTL_EL2.EL1TVT`, { SCTLR_EL1: '[110], trap2', CPACR_EL1: 'trap2', VBAR_EL1: 'trap2, [250]', 'CNTV_CTL_EL0 CNTV_CVAL_EL0': 'trap2' })
    check('v8.4', 1, `${NV2} CNTHCTL_EL2.EL1NVPCT CNTHCTL_EL2.EL1NVVCT`, { 'CNTP_CTL_EL02 CNTV_CVAL_EL02': 'trap2' })
  })
  test('NV has no effect at EL0', () => {
    check('v8.4', 0, NV12, { 'HCR_EL2 SCTLR_EL12 SP_EL1 SCTLR_EL1': '-', TPIDR_EL0: 'reg' })
  })
  test('EL2 instructions', () => {
    const run = (set: string, names: string, expected: string): void => { for (const name of names.split(',')) expect(`${name} ${outcome(name, 'write', 1, controls('v8.4', set))}`).toBe(`${name} ${expected}`) }
    const EL2 = 'TLBI ALLE1IS,TLBI VMALLS12E1IS,TLBI IPAS2E1IS,TLBI VAE2IS,AT S12E1R,AT S1E2W'
    run('', EL2, '-')
    run(NV12, EL2, 'trap2')
    run(NV12, 'AT S1E1R,TLBI VAE1IS,TLBI VMALLE1,DC CIVAC,IC IALLU', 'run')
    run(`${NV} HCR_EL2.AT`, 'AT S1E1R,AT S1E0W,AT S1E1RP', 'trap2')
    run('HCR_EL2.TTLB', 'TLBI VAE1IS,TLBI VMALLE1,TLBI ASIDE1OS,TLBI RVAAE1', 'trap2')
    run('HFGITR_EL2.TLBIVAE1IS', 'TLBI VAE1IS', 'trap2')
    run('HFGITR_EL2.TLBIVAE1IS', 'TLBI VAE1', 'run')
  })
})

describe('the paper\'s profile', () => {
  const VHE = `${NV} VNCR_EL2.Enable`, NVHE = `${NV1} VNCR_EL2.Enable`
  test('nVHE guest hypervisor', () => {
    check('neve', 1, NVHE, {
      HCR_EL2: '[78]', HACR_EL2: '[c10]', HPFAR_EL2: '[c28]', VTTBR_EL2: '[20]', VNCR_EL2: '[b0]', TPIDR_EL2: '[90]', SP_EL1: '[240]', SCTLR_EL1: '[110]', VBAR_EL1: '[250]', ELR_EL1: '[230]', MDSCR_EL1: '[158]',
      SCTLR_EL2: 'SCTLR_EL1', VBAR_EL2: 'VBAR_EL1', ELR_EL2: 'ELR_EL1', ESR_EL2: 'ESR_EL1', AFSR1_EL2: 'AFSR1_EL1', MAIR_EL2: 'MAIR_EL1', AMAIR_EL2: 'AMAIR_EL1',
      CNTHCTL_EL2: '[c30], trap2', CNTVOFF_EL2: '[60], trap2', CPTR_EL2: '[c08], trap2', MDCR_EL2: '[c00], trap2', TCR_EL2: '[c20], trap2', TTBR0_EL2: '[c18], trap2', 'TTBR1_EL2 CONTEXTIDR_EL2': 'trap2',
      ICH_HCR_EL2: '[4c0], trap2', ICH_LR3_EL2: '[418], trap2', ICH_VTR_EL2: '[c40], -', ICH_ELRSR_EL2: '[c58], -', 'CNTHP_CTL_EL2 CNTHP_TVAL_EL2': 'trap2', PMSELR_EL0: '[c60]', PMUSERENR_EL0: '[c68]',
      'SCTLR_EL12': 'trap2', 'TPIDR_EL1 PAR_EL1 CNTKCTL_EL1 CNTV_CTL_EL0': 'reg',
    })
  })
  test.each([NVHE, VHE])('what the page holds of debug and PMU does not trap, the rest does: %s', context => {
    check('neve', 1, `${context} MDCR_EL2.TPM MDCR_EL2.TDA MDCR_EL2.TPMCR`, { PMSELR_EL0: '[c60]', PMUSERENR_EL0: '[c68]', MDSCR_EL1: '[158]', 'PMCCNTR_EL0 PMCR_EL0 PMEVCNTR0_EL0 DBGBVR0_EL1': 'trap2' })
    check('neve', 0, `${context} MDCR_EL2.TPM PMUSERENR_EL0.EN`, { 'PMSELR_EL0 PMCCNTR_EL0': 'trap2' })
  })
  test('VHE guest hypervisor', () => {
    check('neve', 1, VHE, { SCTLR_EL12: '[110]', 'SCTLR_EL1 VBAR_EL1': 'reg', TCR_EL2: 'TCR_EL1', TTBR0_EL2: 'TTBR0_EL1', TTBR1_EL2: 'TTBR1_EL1', CONTEXTIDR_EL2: 'CONTEXTIDR_EL1', MDCR_EL2: '[c00], trap2', CNTV_CTL_EL02: 'trap2' })
  })
  test('without Enable it is plain NV', () => {
    check('neve', 1, NV1, { 'HCR_EL2 SCTLR_EL2 VBAR_EL1 SCTLR_EL12': 'trap2', SCTLR_EL1: 'reg' })
  })
  test('NV2 does not exist there', () => check('neve', 1, NV12, { 'HCR_EL2': 'trap2' }))
})

describe('VHE', () => {
  const E2H = 'HCR_EL2.E2H CPTR_EL2.FPEN CNTHCTL_EL2.EL1PTEN'
  test('E2H redirects EL1 names at EL2', () => {
    check('v8.1', 2, E2H, {
      SCTLR_EL1: 'SCTLR_EL2', CPACR_EL1: 'CPTR_EL2', CNTKCTL_EL1: 'CNTHCTL_EL2', ELR_EL1: 'ELR_EL2', CONTEXTIDR_EL1: 'CONTEXTIDR_EL2', CNTP_CTL_EL0: 'CNTHP_CTL_EL2', CNTV_CVAL_EL0: 'CNTHV_CVAL_EL2',
      SCTLR_EL12: 'SCTLR_EL1', CNTV_CTL_EL02: 'CNTV_CTL_EL0', CPACR_EL12: 'CPACR_EL1', 'SP_EL1 TPIDR_EL1 PAR_EL1 ACTLR_EL1 HCR_EL2': 'reg',
    })
    check('v8.1', 2, '', { 'SCTLR_EL1 CNTP_CTL_EL0': 'reg', 'SCTLR_EL12 CNTV_CTL_EL02': '-' })
  })
  test('E2H is RES0 without FEAT_VHE', () => check('v8.0', 2, '', { SCTLR_EL1: 'reg', 'SCTLR_EL12 TTBR1_EL2 CNTHV_CTL_EL2 CONTEXTIDR_EL2': '-' }))
  test('EL0 timers are the host\'s with E2H and TGE', () => {
    check('v8.1', 0, `HCR_EL2.E2H HCR_EL2.TGE CNTHCTL_EL2.EL0PTEN CNTHCTL_EL2.EL0VTEN`, { CNTP_CTL_EL0: 'CNTHP_CTL_EL2', CNTV_CTL_EL0: 'CNTHV_CTL_EL2' })
    check('v8.1', 0, `HCR_EL2.E2H HCR_EL2.TGE`, { CNTP_CTL_EL0: 'trap2' })
  })
})

describe('traps', () => {
  test('EL0 controls, and TGE sends them to EL2', () => {
    check('v8.0', 0, '', { 'CTR_EL0': 'trap1, -', 'CNTVCT_EL0': 'trap1, -', 'PMCCNTR_EL0 DAIF': 'trap1', 'FPCR': 'reg' })
    check('v8.0', 0, 'HCR_EL2.TGE', { 'CTR_EL0': 'trap2, -', 'PMCCNTR_EL0': 'trap2' })
    check('v8.0', 0, 'HCR_EL2.TGE !CPACR_EL1.FPEN', { FPCR: 'trap2:Unknown' })
    check('v8.0', 0, '!CPACR_EL1.FPEN', { FPCR: 'trap1:FPAdvSIMD' })
    check('v8.0', 0, 'PMUSERENR_EL0.CR', { PMCCNTR_EL0: 'reg, trap1', PMSELR_EL0: 'trap1' })
    check('v8.0', 0, 'PMUSERENR_EL0.ER', { PMEVCNTR2_EL0: 'reg, trap1', PMSELR_EL0: 'reg' })
    check('v8.0', 0, 'SCTLR_EL1.UCT HCR_EL2.TID2', { CTR_EL0: 'trap2, -' })
  })
  test('FEAT_EVT: parts of TID2, TPU and TTLB', () => {
    check('v8.4', 1, 'SCTLR_EL1.UCT HCR_EL2.TID4', { CLIDR_EL1: 'trap2, -', CTR_EL0: 'reg, -' })
    check('v8.4', 0, 'SCTLR_EL1.UCT HCR_EL2.TID4', { CTR_EL0: 'reg, -' })
    const at1 = (field: string, name: string): string => outcome(name, 'write', 1, controls('v8.4', `HCR_EL2.${field}`))
    expect(['IC IALLUIS', 'IC IALLU'].map(name => at1('TICAB', name))).toEqual(['trap2', 'run'])
    expect(['IC IALLUIS', 'IC IALLU', 'IC IVAU', 'DC CVAU'].map(name => at1('TOCU', name))).toEqual(['run', 'trap2', 'trap2', 'trap2'])
    expect(['TLBI VMALLE1IS', 'TLBI VMALLE1'].map(name => at1('TTLBIS', name))).toEqual(['trap2', 'run'])
    expect(['TLBI VMALLE1OS', 'TLBI VMALLE1IS'].map(name => at1('TTLBOS', name))).toEqual(['trap2', 'run'])
  })
  test('MDCR_EL2', () => {
    check('v8.0', 0, 'HCR_EL2.TGE', { MDCCSR_EL0: 'trap2, -', DBGDTR_EL0: 'trap2' })
    check('v8.0', 1, 'MDCR_EL2.TDE', { 'MDSCR_EL1 OSDLR_EL1': 'trap2', 'OSLSR_EL1 MDRAR_EL1': 'trap2, -' })
    check('v8.0', 1, 'MDCR_EL2.TDA', { 'MDSCR_EL1 DBGBVR0_EL1': 'trap2', OSDLR_EL1: 'reg' })
    check('v8.0', 1, 'MDCR_EL2.TPM', { 'PMSELR_EL0 PMUSERENR_EL0 PMCR_EL0 PMEVCNTR7_EL0': 'trap2' })
    check('v8.0', 1, 'MDCR_EL2.TPMCR', { PMCR_EL0: 'trap2', PMSELR_EL0: 'reg' })
    check('v8.0', 1, '!MDCR_EL2.HPMN', { PMEVCNTR0_EL0: 'trap2', PMEVCNTR4_EL0: 'reg' })
  })
  test('GICv3: ICV views, SGIs, ICH_HCR_EL2, SRE', () => {
    check('v8.0', 1, '', { ICC_IAR1_EL1: 'reg, -', ICC_SGI1R_EL1: '-, reg', ICC_SRE_EL1: 'reg' })
    check('v8.0', 1, 'HCR_EL2.IMO', { ICC_IAR1_EL1: 'ICV_IAR1_EL1, -', ICC_IAR0_EL1: 'reg, -', ICC_PMR_EL1: 'ICV_PMR_EL1', ICC_SGI1R_EL1: '-, trap2' })
    check('v8.0', 1, 'HCR_EL2.FMO', { ICC_IAR1_EL1: 'reg, -', ICC_IAR0_EL1: 'ICV_IAR0_EL1, -', ICC_PMR_EL1: 'ICV_PMR_EL1' })
    check('v8.0', 2, 'HCR_EL2.IMO', { ICC_IAR1_EL1: 'reg, -', ICC_SGI1R_EL1: '-, reg' })
    check('v8.0', 1, 'HCR_EL2.IMO ICH_HCR_EL2.TALL1 ICH_HCR_EL2.TC', { ICC_IAR1_EL1: 'trap2, -', ICC_PMR_EL1: 'trap2', ICC_DIR_EL1: '-, trap2' })
    check('v8.0', 1, '!ICC_SRE_EL2.Enable', { ICC_SRE_EL1: 'trap2' })
    const v2 = controls('v8.0', '', 2)
    expect(outcome('ICC_IAR1_EL1', 'read', 1, v2)).toBe('-')
    expect(outcome('ICH_HCR_EL2', 'read', 2, v2)).toBe('-')
  })
  test('IMPLEMENTATION DEFINED encodings', () => {
    const row = rowByKey(encodingKey(3, 0, 15, 2, 1))!
    expect(row.name).toBe('S3_0_C15_C2_1')
    expect(rowByKey(encodingKey(3, 0, 15, 2, 1))).toBe(row)
    expect(cellOf(resolve(row, 'read', 1, controls('v8.0', '')), row)).toBe('-')
    expect(cellOf(resolve(row, 'read', 1, controls('v8.0', 'HCR_EL2.TIDCP')), row)).toBe('trap2')
    expect(rowByKey(encodingKey(3, 0, 14, 15, 7))).toBeUndefined()
    expect(resolve(undefined, 'read', 2, controls('v8.0', '')).kind).toBe('undefined')
  })
  test('PAuth keys, SMC-less details', () => {
    check('v8.3', 1, '!HCR_EL2.APK', { APIAKeyLo_EL1: 'trap2' })
    check('v8.1', 1, '!HCR_EL2.APK', { APIAKeyLo_EL1: '-' })
    check('v8.4', 1, 'HFGRTR_EL2.APIAKey', { APIAKeyHi_EL1: 'trap2, reg' })
  })
})

test('no answer is made twice: decisions allocate nothing', () => {
  const state = controls('v8.4', NV12)
  for (const row of ROWS.slice(0, 300)) for (const el of [0, 1, 2] as const) expect(resolve(row, 'write', el, state)).toBe(resolve(row, 'write', el, state))
})

test('sanitise keeps read-only bits, forces RES1, drops RES0 and bits of missing features', () => {
  const of = (name: ProfileName) => ({ features: profile(name).features, gicVersion: 3 as const })
  const HCR = rowByName('HCR_EL2')!, all = (1n << 64n) - 1n
  expect(sanitise(HCR, all, of('v8.0')) >> 34n & 1n).toBe(0n)
  expect(sanitise(HCR, all, of('v8.1')) >> 34n & 1n).toBe(1n)
  expect(sanitise(HCR, all, of('v8.3')) >> 42n & 0xfn).toBe(7n)
  expect(sanitise(HCR, 0n, of('v8.0'))).toBe(1n << 31n)
  expect(sanitise(rowByName('CNTV_CTL_EL0')!, 3n, of('v8.0'), 4n)).toBe(7n)
  expect(sanitise(rowByName('SCTLR_EL1')!, 0n, of('v8.0'))).toBe(0x30d0_0800n)
  expect(sanitise(rowByName('SCTLR_EL1')!, 0n, of('v8.1'))).toBe(0x3050_0800n)
  expect(sanitise(rowByName('TPIDR_EL1')!, all, of('v8.0'))).toBe(all)
  expect(SLOT.SCTLR_EL12).toBe(SLOT.SCTLR_EL1)
})

test('FEAT_IDST: identification registers trap at EL0, to EL2 under TGE; without it they are UNDEFINED', () => {
  check('v8.4', 0, '', { 'MIDR_EL1 ID_AA64PFR0_EL1 CLIDR_EL1': 'trap1, -' })
  check('v8.4', 0, 'HCR_EL2.TGE', { 'MIDR_EL1 ID_AA64PFR0_EL1 CLIDR_EL1': 'trap2, -' })
  check('v8.3', 0, '', { 'MIDR_EL1 ID_AA64PFR0_EL1 CLIDR_EL1': '-' })
  check('v8.4', 0, '', { CTR_EL0: outcome('CTR_EL0', 'read', 0, controls('v8.3', '')) + ', -', SCTLR_EL1: '-' })
  const unallocated = encodingKey(3, 0, 0, 0, 1), state = controls('v8.4', '')
  expect([resolveUnallocated(unallocated, 'read', 0, state).kind, resolveUnallocated(unallocated, 'write', 0, state).kind, resolveUnallocated(unallocated, 'read', 1, state).kind, resolveUnallocated(encodingKey(3, 0, 1, 0, 7), 'read', 0, state).kind])
    .toEqual(['trap', 'undefined', 'undefined', 'undefined'])
})
