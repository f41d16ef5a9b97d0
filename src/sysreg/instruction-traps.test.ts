import { expect, test } from 'vitest'
import { EC } from '../arch/esr.ts'
import { profile } from '../arch/features.ts'
import type { ProfileName } from '../arch/features.ts'
import { explain } from './explain.ts'
import { identificationValues, ccsidr, mpidrOf } from './identification.ts'
import { brkTarget, currentEL, daifTrap, dczid, eretTrap, fpTrap, hvcAvailability, pauthEnabled, pauthTrap, smcTrap, spsrShowsEL2, svcTarget, syncTarget, wfxTrap } from './instruction-traps.ts'
import type { Controls } from './controls.ts'
import { resetValues } from './reset.ts'
import { controlsIn } from './situations.ts'
import { SLOT } from './table.ts'

const state = (name: ProfileName, set: Record<string, string> = {}): Controls => controlsIn({ name: '', el: 1, set }, profile(name))
const at = (resolution: ReturnType<typeof wfxTrap>): string => (resolution === undefined ? 'executes' : resolution.kind === 'trap' ? `EL${resolution.to} 0x${resolution.ec.toString(16)}` : resolution.kind)

test('WFI and WFE', () => {
  expect(at(wfxTrap('WFI', 0, state('v8.0')))).toBe('executes')
  expect(at(wfxTrap('WFI', 0, state('v8.0', { SCTLR_EL1: '!nTWI' })))).toBe('EL1 0x1')
  expect(at(wfxTrap('WFI', 0, state('v8.0', { SCTLR_EL1: '!nTWI', HCR_EL2: 'TGE' })))).toBe('EL2 0x1')
  expect(at(wfxTrap('WFI', 1, state('v8.0', { HCR_EL2: 'TWI' })))).toBe('EL2 0x1')
  expect(at(wfxTrap('WFE', 1, state('v8.0', { HCR_EL2: 'TWI' })))).toBe('executes')
  expect(at(wfxTrap('WFE', 0, state('v8.1', { HCR_EL2: 'TWE E2H TGE', SCTLR_EL2: 'nTWE' })))).toBe('executes')
  expect(at(wfxTrap('WFE', 0, state('v8.1', { HCR_EL2: 'E2H TGE', SCTLR_EL2: '!nTWE' })))).toBe('EL2 0x1')
  expect(at(wfxTrap('WFI', 2, state('v8.0', { HCR_EL2: 'TWI TWE' })))).toBe('executes')
})

test('SMC, HVC, SVC, BRK', () => {
  expect(at(smcTrap(1, state('v8.0', { HCR_EL2: 'TSC' })))).toBe('EL2 0x17')
  expect(at(smcTrap(1, state('v8.0')))).toBe('executes')
  expect(at(smcTrap(0, state('v8.0')))).toBe('undefined')
  expect([0, 1, 2].map(el => at(hvcAvailability(el as 0, state('v8.0'))))).toEqual(['undefined', 'EL2 0x16', 'EL2 0x16'])
  expect(at(hvcAvailability(1, state('v8.0', { HCR_EL2: 'HCD' })))).toBe('undefined')
  expect([0, 1, 2].map(el => at(svcTarget(el as 0, state('v8.0'))))).toEqual(['EL1 0x15', 'EL1 0x15', 'EL2 0x15'])
  expect(at(svcTarget(0, state('v8.0', { HCR_EL2: 'TGE' })))).toBe('EL2 0x15')
  expect(at(svcTarget(0, state('v8.4', { HFGITR_EL2: 'SVC_EL0' })))).toBe('EL2 0x15')
  expect(at(brkTarget(1, state('v8.0', { MDCR_EL2: 'TDE' })))).toBe('EL2 0x3c')
  expect(at(brkTarget(0, state('v8.0')))).toBe('EL1 0x3c')
  expect([syncTarget(0, state('v8.0')), syncTarget(0, state('v8.0', { HCR_EL2: 'TGE' })), syncTarget(1, state('v8.0')), syncTarget(2, state('v8.0'))]).toEqual([1, 2, 1, 2])
})

test('ERET and what NV shows', () => {
  expect(at(eretTrap(1, state('v8.3', { HCR_EL2: 'NV !API' })))).toBe('EL2 0x1a')
  expect(at(eretTrap(1, state('v8.1', { HCR_EL2: 'NV' })))).toBe('executes')
  expect(at(eretTrap(1, state('v8.4', { HFGITR_EL2: 'ERET' })))).toBe('EL2 0x1a')
  expect(at(eretTrap(2, state('v8.4', { HCR_EL2: 'NV' })))).toBe('executes')
  expect(at(eretTrap(0, state('v8.4')))).toBe('undefined')
  expect([currentEL(1, state('v8.3', { HCR_EL2: 'NV' })), currentEL(1, state('v8.3')), currentEL(0, state('v8.3', { HCR_EL2: 'NV' })), currentEL(2, state('v8.3'))]).toEqual([8n, 4n, 0n, 8n])
  // The rows of nested-arch.md a.3: NV NV1 NV2.
  const shows = (name: ProfileName, HCR_EL2: string, more: Record<string, string> = {}): boolean => spsrShowsEL2(state(name, { HCR_EL2, ...more }))
  expect([shows('v8.4', 'NV1'), shows('v8.4', 'NV'), shows('v8.4', 'NV NV1'), shows('v8.4', 'NV NV2'), shows('v8.4', 'NV NV1 NV2'), shows('neve', 'NV NV1', { VNCR_EL2: 'Enable' })]).toEqual([false, true, false, true, true, true])
})

test('FP and PAuth', () => {
  expect(at(fpTrap(1, state('v8.0', { CPACR_EL1: '!FPEN' })))).toBe('EL1 0x7')
  expect(at(fpTrap(2, state('v8.0', { CPACR_EL1: '!FPEN' })))).toBe('executes')
  expect(at(fpTrap(2, state('v8.0', { CPTR_EL2: 'TFP' })))).toBe('EL2 0x7')
  expect(at(fpTrap(0, state('v8.0', { CPACR_EL1: '!FPEN', HCR_EL2: 'TGE' })))).toBe('EL2 0x0')
  expect(at(fpTrap(2, state('v8.1', { HCR_EL2: 'E2H', CPTR_EL2: '!FPEN' })))).toBe('EL2 0x7')
  const half = state('v8.1', { HCR_EL2: 'E2H TGE', CPTR_EL2: '!FPEN' })
  half.file.u64[SLOT.CPTR_EL2] = half.file.u64[SLOT.CPTR_EL2]! | (1n << 20n)
  expect([at(fpTrap(0, half)), at(fpTrap(2, half))]).toEqual(['EL2 0x7', 'executes'])
  const el0Only = state('v8.0', { CPACR_EL1: '!FPEN' })
  el0Only.file.u64[SLOT.CPACR_EL1] = 1n << 20n
  expect([at(fpTrap(0, el0Only)), at(fpTrap(1, el0Only))]).toEqual(['EL1 0x7', 'executes'])
  expect(at(pauthTrap(1, state('v8.3', { HCR_EL2: '!API' })))).toBe('EL2 0x9')
  expect(at(pauthTrap(0, state('v8.3', { HCR_EL2: '!API E2H TGE' })))).toBe('executes')
  expect(pauthEnabled('APIA', 1, state('v8.3', { SCTLR_EL1: 'EnIA' }))).toBe(true)
  expect(pauthEnabled('APDB', 0, state('v8.3', { SCTLR_EL1: 'EnIA' }))).toBe(false)
  expect(pauthEnabled('APIB', 0, state('v8.3', { SCTLR_EL2: 'EnIB', HCR_EL2: 'E2H TGE' }))).toBe(true)
  expect(at(daifTrap(0, state('v8.0', { SCTLR_EL1: '!UMA' })))).toBe('EL1 0x18')
  expect([dczid(0, state('v8.0')), dczid(0, state('v8.0', { SCTLR_EL1: '!DZE' })), dczid(1, state('v8.0', { HCR_EL2: 'TDZ' })), dczid(2, state('v8.0'))]).toEqual([4n, 0x14n, 0x14n, 4n])
})

test('reset and identification', () => {
  const field = (name: ProfileName, register: string, low: number, el2 = true, gicVersion: 2 | 3 = 3): number =>
    Number(((identificationValues({ features: profile(name).features, gicVersion, el2 })[register] ?? 0n) >> BigInt(low)) & 15n)
  expect(['v8.0', 'v8.1', 'v8.3', 'neve', 'v8.4'].map(name => field(name as ProfileName, 'ID_AA64MMFR1_EL1', 8))).toEqual([0, 1, 1, 1, 1])
  expect(['v8.0', 'v8.1', 'v8.3', 'neve', 'v8.4'].map(name => field(name as ProfileName, 'ID_AA64MMFR2_EL1', 24))).toEqual([0, 0, 1, 1, 2])
  expect(['v8.0', 'v8.1', 'v8.3', 'neve', 'v8.4'].map(name => field(name as ProfileName, 'ID_AA64MMFR1_EL1', 20))).toEqual([0, 1, 2, 2, 2])
  expect([field('v8.4', 'ID_AA64MMFR2_EL1', 24, false), field('v8.4', 'ID_AA64PFR0_EL1', 8, false), field('v8.4', 'ID_AA64PFR0_EL1', 8), field('v8.0', 'ID_AA64PFR0_EL1', 24, true, 2)]).toEqual([0, 0, 1, 0])
  const file = resetValues(profile('v8.4', ['FEAT_VHE']), { pe: 17, gicVersion: 3 })
  expect((file.u64[SLOT.ID_AA64MMFR1_EL1]! >> 8n) & 15n).toBe(0n)
  expect(file.u64[SLOT.MPIDR_EL1]).toBe(0x8000_0101n)
  expect(file.u64[SLOT.VMPIDR_EL2]).toBe(0x8000_0101n)
  expect(mpidrOf(9, 2)).toBe(0x8000_0101n)
  expect(file.u64[SLOT.CNTHCTL_EL2]).toBe(3n)
  expect(file.u64[SLOT.ID_PFR0_EL1]).toBe(0n)
  expect([ccsidr(0, profile('v8.0').features), ccsidr(2, profile('v8.3').features), ccsidr(3, profile('v8.0').features)]).toEqual([(127n << 13n) | (3n << 3n) | 2n, (1023n << 32n) | (15n << 3n) | 2n, 0n])
})

test('explain: questions as people type them', () => {
  const result = (text: string, place: Parameters<typeof explain>[1]['at'], name: ProfileName): string => {
    const answer = explain(text, { at: place, profile: name })
    return typeof answer === 'string' ? answer : answer.steps.at(-1)!
  }
  expect(result('mrs x0, vtcr_el2', 'vEL2', 'v8.3')).toBe('Result: exception to EL2, class SystemRegister (0x18), because of HCR_EL2.NV.')
  expect(result('mrs x0, vtcr_el2', 'vEL2', 'v8.4')).toBe('Result: a 64-bit load from VNCR_EL2.BADDR + 0x40.')
  expect(result('MSR VTCR_EL2, x0', 'vEL2-vhe', 'neve')).toBe('Result: a 64-bit store to VNCR_EL2.BADDR + 0x40.')
  expect(result('mrs x0, sctlr_el1', 'EL2-vhe', 'v8.1')).toBe('Result: read of SCTLR_EL2 (not SCTLR_EL1).')
  expect(result('mrs x0, s3_4_c2_c1_2', 'EL2', 'v8.0')).toBe('Result: read of VTCR_EL2.')
  expect(result('mrs x0, s3_0_c14_c15_7', 'EL2', 'v8.0')).toBe('Result: UNDEFINED.')
  expect(result('tlbi vae1is, x0', 'EL1', 'v8.0')).toBe('Result: TLBI VAE1IS executes.')
  expect(result('tlbi vae1isnxs, x0', 'EL1', 'v8.4')).toBe('Result: UNDEFINED.')
  expect(result('mrs x3, CurrentEL', 'EL1', 'v8.4')).toBe('Result: read of CurrentEL.')
  expect(result('msr apdakeyhi_el1, x0', 'EL1', 'v8.4')).toBe('Result: write of APDAKeyHi_EL1.')
  expect(result('eret', 'vEL2', 'v8.3')).toBe('Result: exception to EL2, class ERET (0x1a), because of HCR_EL2.NV.')
  expect(result('hvc #0', 'EL1', 'v8.0')).toMatch(/^Result: exception to EL2, class HVC64/)
  expect(result('wfi', 'EL1', 'v8.0')).toBe('Result: executes.')
  expect(result('mrs x0, icv_iar1_el1', 'EL1', 'v8.0')).toMatch(/no encoding of its own/)
  expect(result('mrs x0, nope_el1', 'EL1', 'v8.0')).toBe('there is no register nope_el1')
  expect(result('mrs x0, vtcr_el2', 'vEL2', 'v8.0')).toMatch(/no FEAT_NV/)
  expect(result('add x0, x0, x1', 'EL1', 'v8.0')).toMatch(/not an instruction that can be explained/)
  expect(result('mrs', 'EL1', 'v8.0')).toMatch(/no register/)
  expect(result('constructor', 'EL1', 'v8.0')).toMatch(/not an instruction/)
  expect(EC.ERET).toBe(0x1a)
})
