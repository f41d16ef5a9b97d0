import { describe, expect, test } from 'vitest'
import { syndrome } from '../../arch/esr.ts'
import { MODE } from '../../arch/pstate.ts'
import { rowByName, SLOT } from '../../sysreg/index.ts'
import { fakeL0 } from '../fake-host.test-support.ts'
import { VIRTUAL_EL1, VIRTUAL_EL2 } from '../vcpu.ts'
import { ownerOf } from './owner.ts'
import { Exit } from '../exit.ts'

const key = (name: string) => rowByName(name)!.key
const bit = (n: number) => 1n << BigInt(n)
const NONE = bit(31)
const mrs = (name: string) => syndrome.systemRegister(key(name), 0, true), msr = (name: string) => syndrome.systemRegister(key(name), 0, false)
type Controls = Readonly<Partial<Record<'HCR_EL2' | 'CPTR_EL2' | 'MDCR_EL2' | 'CNTHCTL_EL2', bigint>>>

describe('who owns an exit from below virtual EL2', () => {
  test.each<[string, number, Controls, 'L0' | 'L1']>([
    ['HVC', syndrome.hvc(0), {}, 'L1'],
    ['WFI without TWI', syndrome.wfx(0), {}, 'L0'],
    ['WFI with TWI', syndrome.wfx(0), { HCR_EL2: NONE | bit(13) }, 'L1'],
    ['WFE with TWI only', syndrome.wfx(1), { HCR_EL2: NONE | bit(13) }, 'L0'],
    ['WFE with TWE', syndrome.wfx(1), { HCR_EL2: NONE | bit(14) }, 'L1'],
    ['SMC without TSC: PSCI of L0', syndrome.smc(0), {}, 'L0'],
    ['SMC with TSC', syndrome.smc(0), { HCR_EL2: NONE | bit(19) }, 'L1'],
    ['FP, nobody', syndrome.fpAdvSimd(), {}, 'L0'],
    ['FP with TFP', syndrome.fpAdvSimd(), { CPTR_EL2: bit(10) }, 'L1'],
    ['FP with E2H and FPEN=00', syndrome.fpAdvSimd(), { HCR_EL2: NONE | bit(34), CPTR_EL2: 0n }, 'L1'],
    ['FP with E2H and FPEN=11', syndrome.fpAdvSimd(), { HCR_EL2: NONE | bit(34), CPTR_EL2: 3n << 20n }, 'L0'],
    ['ID register', mrs('ID_AA64PFR0_EL1'), {}, 'L0'],
    ['ID register with TID3', mrs('ID_AA64PFR0_EL1'), { HCR_EL2: NONE | bit(18) }, 'L1'],
    ['write of TTBR0_EL1 with TVM', msr('TTBR0_EL1'), { HCR_EL2: NONE | bit(26) }, 'L1'],
    ['read of TTBR0_EL1 with TVM', mrs('TTBR0_EL1'), { HCR_EL2: NONE | bit(26) }, 'L0'],
    ['read of TTBR0_EL1 with TRVM', mrs('TTBR0_EL1'), { HCR_EL2: NONE | bit(30) }, 'L1'],
    ['ACTLR_EL1 with TACR', mrs('ACTLR_EL1'), { HCR_EL2: NONE | bit(21) }, 'L1'],
    ['CPACR_EL1 with TCPAC', msr('CPACR_EL1'), { CPTR_EL2: bit(31) }, 'L1'],
    ['MDSCR_EL1 with TDA', msr('MDSCR_EL1'), { MDCR_EL2: bit(9) }, 'L1'],
    ['PMSELR_EL0 with TPM', msr('PMSELR_EL0'), { MDCR_EL2: bit(6) }, 'L1'],
    ['CNTP_CTL_EL0 with EL1PCEN', msr('CNTP_CTL_EL0'), { CNTHCTL_EL2: 3n }, 'L0'],
    ['CNTP_CTL_EL0 without EL1PCEN', msr('CNTP_CTL_EL0'), { CNTHCTL_EL2: 1n }, 'L1'],
    ['CNTP_CTL_EL0, E2H, EL1PTEN', msr('CNTP_CTL_EL0'), { HCR_EL2: NONE | bit(34), CNTHCTL_EL2: 3n << 10n }, 'L0'],
    ['CNTP_CTL_EL0, E2H, the bits of E2H=0', msr('CNTP_CTL_EL0'), { HCR_EL2: NONE | bit(34), CNTHCTL_EL2: 3n }, 'L1'],
    ['ICC_SGI1R_EL1 without IMO', msr('ICC_SGI1R_EL1'), {}, 'L0'],
    ['ICC_SGI1R_EL1 with IMO', msr('ICC_SGI1R_EL1'), { HCR_EL2: NONE | bit(4) }, 'L1'],
    ['TLBI VMALLE1 with TTLB', msr('TLBI VMALLE1'), { HCR_EL2: NONE | bit(25) }, 'L1'],
    ['AT S1E1R with AT: NV is hidden from L1, so is AT', msr('AT S1E1R'), { HCR_EL2: NONE | bit(44) }, 'L0'],
    ['an EL2 register: UNDEFINED below L1', mrs('HCR_EL2'), {}, 'L0'],
    ['PAC with API=0', syndrome.pauth(), {}, 'L1'],
    ['PAC with API=1', syndrome.pauth(), { HCR_EL2: NONE | bit(41) }, 'L0'],
    ['BRK', syndrome.brk(1), {}, 'L0'],
    ['BRK with TDE', syndrome.brk(1), { MDCR_EL2: bit(8) }, 'L1'],
    ['abort without stage 2 of L1', syndrome.dataAbort(false, { dfsc: 6, write: false }), {}, 'L0'],
  ])('%s', (_, esr, controls, owner) => {
    const { vcpu } = fakeL0({ el2: 'nvhe-or-vhe', gic: 3, profile: 'v8.4' })
    vcpu.context = VIRTUAL_EL1
    vcpu.nested!.pageLive = false
    vcpu.pstate = 0x3c0 | MODE.EL1h
    vcpu.loaded = false
    const { u64 } = vcpu.virtual
    u64[SLOT.HCR_EL2] = NONE
    u64[SLOT.CPTR_EL2] = 0x33ffn
    u64[SLOT.MDCR_EL2] = 0n
    u64[SLOT.CNTHCTL_EL2] = 3n
    // What EL1 itself would have trapped does not come to EL2.
    u64[SLOT.CPACR_EL1] = 3n << 20n
    for (const [name, value] of Object.entries(controls)) u64[SLOT[name as 'HCR_EL2']] = value
    const exit = new Exit()
    exit.syndrome = esr
    exit.ec = esr >>> 26
    exit.iss = esr & 0x1ff_ffff
    expect(ownerOf(vcpu, exit)).toBe(owner)
  })

  test('nothing at virtual EL2 itself, and no interrupt', () => {
    const { vcpu } = fakeL0({ el2: 'nvhe-or-vhe' }), exit = new Exit()
    vcpu.context = VIRTUAL_EL2
    exit.ec = 0x16
    expect(ownerOf(vcpu, exit)).toBe('L0')
    vcpu.context = VIRTUAL_EL1
    exit.kind = 'irq'
    expect(ownerOf(vcpu, exit)).toBe('L0')
  })
})
