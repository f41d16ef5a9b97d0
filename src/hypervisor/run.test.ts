import { describe, expect, test } from 'vitest'
import { encodingKey, syndrome } from '../arch/esr.ts'
import { MODE } from '../arch/pstate.ts'
import { rowByName, SLOT } from '../sysreg/index.ts'
import { ENTRY, fakeL0, VM_PA } from './fake-host.test-support.ts'
import { POLICIES } from './switch.ts'

const EL1h = 0x3c0 | MODE.EL1h
const key = (name: string) => rowByName(name)!.key

describe('a plain VM', () => {
  test('starts at its entry at EL1 with X0', () => {
    const { host } = fakeL0()
    expect([host.elr, host.spsr, host.x(0)]).toEqual([BigInt(ENTRY), EL1h, 0x4400_0000n])
  })

  test('a hypercall that means nothing returns -1 behind the HVC', () => {
    const fake = fakeL0()
    fake.host.setX(0, 0x4b00_0000n)
    expect(fake.exit(syndrome.hvc(0), { pc: 0x4008_0004n, pstate: EL1h })).toBe('vm HVC: hypercall (run)')
    expect([fake.host.x(0), fake.host.elr]).toEqual([0xffff_ffff_ffff_ffffn, 0x4008_0004n])
  })

  test('memory is mapped in 2 MiB blocks at the first touch', () => {
    const fake = fakeL0()
    expect(fake.exit(syndrome.dataAbort(false, { dfsc: 6, write: true }), { pc: 0x4008_0000n, pstate: EL1h, ipa: 0x4012_3456 })).toBe('vm stage 2 abort: stage 2 map (run)')
    const leaf = fake.l0.vms[0]!.stage2.lookup(0x4012_3456)!
    expect([leaf.shift, Number(leaf.descriptor & 0xffff_ffff_f000n)]).toEqual([21, VM_PA])
    expect(fake.host.elr).toBe(0x4008_0000n)
  })

  test.each([
    ['32-bit load', { sas: 2, sse: false, srt: 3, sf: false, ar: false }, 0x5an],
    ['sign-extended byte', { sas: 0, sse: true, srt: 3, sf: true, ar: false }, 0x5an],
  ])('device access of the VMM: %s', (_, isv, value) => {
    const fake = fakeL0()
    expect(fake.exit(syndrome.dataAbort(false, { dfsc: 6, write: false, isv }), { pc: 0x4008_0000n, pstate: EL1h, ipa: 0x0900_0000 })).toBe('vm MMIO 0x9000000 read: device of the VMM (run)')
    expect([fake.host.x(3), fake.host.elr]).toEqual([value, 0x4008_0004n])
  })

  test('an access to nothing, or one without a syndrome, is an External abort at EL1', () => {
    const fake = fakeL0()
    fake.host.file.u64[SLOT.VBAR_EL1] = 0x4000_0800n
    expect(fake.exit(syndrome.dataAbort(false, { dfsc: 6, write: true }), { pc: 0x4008_0000n, pstate: EL1h, ipa: 0x3000_0000, far: 0xffff_0000_3000_0000n })).toContain('inject External abort')
    expect(fake.host.elr).toBe(0x4000_0a00n)
    expect(fake.host.file.u64[SLOT.ESR_EL1]).toBe(BigInt(syndrome.dataAbort(true, { dfsc: 0x10, write: true })))
    expect(fake.host.file.u64[SLOT.FAR_EL1]).toBe(0xffff_0000_3000_0000n)
    expect(fake.host.file.u64[SLOT.ELR_EL1]).toBe(0x4008_0000n)
  })

  test('ID registers are those of the VM', () => {
    const fake = fakeL0()
    expect(fake.exit(syndrome.systemRegister(key('ID_AA64MMFR2_EL1'), 5, true), { pc: 0x4008_0000n, pstate: EL1h })).toBe('vm ID_AA64MMFR2_EL1 read: emulate (run)')
    expect(fake.host.x(5) >> 24n & 15n).toBe(0n) // no nested virtualization
  })

  test('each vCPU has an OS Lock, and the PE has that of the one that runs', () => {
    const fake = fakeL0(), { file } = fake.host
    const osLock = (name: string, read: boolean) => fake.exit(syndrome.systemRegister(key(name), 5, read), { pc: 0x4008_0000n, pstate: EL1h })
    file.u64[SLOT.OSLAR_EL1] = 1n // reset, as L0 takes it to be
    osLock('OSLSR_EL1', true)
    expect([fake.host.x(5), file.u64[SLOT.OSLAR_EL1]]).toEqual([0xan, 1n])
    fake.host.setX(5, 0n)
    expect(osLock('OSLAR_EL1', false)).toBe('vm OSLAR_EL1 write: emulate (run)')
    expect(file.u64[SLOT.OSLAR_EL1]).toBe(0n)
    osLock('OSLSR_EL1', true)
    expect(fake.host.x(5)).toBe(8n)
    expect(fake.host.log).not.toContain('msr OSLAR_EL1')
  })

  test('an unknown register is UNDEFINED, by name', () => {
    const fake = fakeL0()
    expect(fake.exit(syndrome.systemRegister(encodingKey(3, 0, 15, 0, 0), 5, true), { pc: 0x4008_0000n, pstate: EL1h })).toMatch(/UNDEFINED/)
    expect(fake.host.file.u64[SLOT.ESR_EL1]).toBe(BigInt(syndrome.unknown()))
  })

  test('WFI blocks, the timer wakes', () => {
    const fake = fakeL0()
    fake.host.file.u64[SLOT.CNTV_CTL_EL0] = 1n
    fake.host.file.u64[SLOT.CNTV_CVAL_EL0] = 5000n
    const { distributor } = fake.l0.vms[0]!
    distributor.writeDistributor(0, 0, 4, 3)
    distributor.writeDistributor(0, 0x100, 4, 0xffff_ffff)
    fake.host.frames.set('GICH 8', 0xf800_0003) // VMCR: both groups, no mask
    expect(fake.exit(syndrome.wfx(0), { pc: 0x4008_0000n, pstate: EL1h })).toBe('vm WFI: wait (idle)')
    expect(fake.host.file.u64[SLOT.CNTHP_CVAL_EL2]).toBe(5000n)
    expect(fake.host.file.u64[SLOT.CNTHP_CTL_EL2]).toBe(1n)
    fake.host.now = 5000n
    fake.host.interrupts.push(26)
    expect(fake.l0.handle(fake.host, 'irq')).toBe('run')
    expect(fake.host.elr).toBe(0x4008_0004n)
    // The virtual timer's interrupt is in a list register, tied to the physical one.
    expect((fake.host.frames.get('GICH 100')! & 0xb000_03ff) >>> 0).toBe(0x9000_001b)
  })

  test('PSCI: CPU_ON starts a vCPU on its PE, SYSTEM_OFF ends the VM and frees every PE', () => {
    const fake = fakeL0({ cpus: 2, pes: 2 }), [first, second] = fake.hosts as [typeof fake.host, typeof fake.host]
    first.setX(0, 0xc400_0003n)
    first.setX(1, 1n)
    first.setX(2, 0x4010_0000n)
    first.setX(3, 77n)
    expect(fake.exit(syndrome.hvc(0), { pc: 0x4008_0004n, pstate: EL1h })).toBe('vm HVC: PSCI CPU_ON (run)')
    expect([first.x(0), first.elr]).toEqual([0n, 0x4008_0004n])
    expect(first.log).toContain('SGI 1 to PE 1')
    second.interrupts.push(1)
    expect(fake.l0.handle(second, 'irq')).toBe('run')
    expect([second.elr, second.x(0), second.spsr]).toEqual([0x4010_0000n, 77n, EL1h])
    first.setX(0, 0x8400_0008n)
    expect(fake.exit(syndrome.hvc(0), { pc: 0x4008_0004n, pstate: EL1h })).toBe('vm HVC: PSCI SYSTEM_OFF (off)')
    expect(fake.ends).toEqual([{ kind: 'off' }])
    second.interrupts.push(1)
    expect(fake.l0.handle(second, 'irq')).toBe('off')
  })

  test.each(['split', 'lazy'] as const)('%s: a VM that ends on one PE leaves no timer running on another', policy => {
    const fake = fakeL0({ cpus: 2, pes: 2, policy }), [first, second] = fake.hosts as [typeof fake.host, typeof fake.host]
    first.setX(0, 0xc400_0003n)
    first.setX(1, 1n)
    fake.exit(syndrome.hvc(0), { pc: 0x4008_0004n, pstate: EL1h })
    second.interrupts.push(1)
    fake.l0.handle(second, 'irq')
    first.setX(0, 0x8400_0008n)
    fake.exit(syndrome.hvc(0), { pc: 0x4008_0004n, pstate: EL1h })
    second.file.u64[SLOT.CNTV_CTL_EL0] = 5n
    second.interrupts.push(27)
    expect(fake.l0.handle(second, 'irq')).toBe('off')
    expect(second.file.u64[SLOT.CNTV_CTL_EL0]).toBe(0n)
  })

  test('two vCPUs on one PE take turns', () => {
    const fake = fakeL0({ cpus: 2 })
    fake.host.setX(0, 0xc400_0003n)
    fake.host.setX(1, 1n)
    fake.host.setX(2, 0x4010_0000n)
    fake.host.setX(5, 55n)
    fake.exit(syndrome.hvc(0), { pc: 0x4008_0004n, pstate: EL1h })
    expect(fake.host.elr).toBe(0x4008_0004n)
    fake.host.now += 62_500n
    fake.host.interrupts.push(26)
    fake.exit(0, { kind: 'irq', pc: 0x4008_0004n, pstate: EL1h })
    expect([fake.host.elr, fake.host.x(5)]).toEqual([0x4010_0000n, 0n])
    fake.host.now += 62_500n
    fake.host.interrupts.push(26)
    fake.exit(0, { kind: 'irq', pc: 0x4010_0000n, pstate: EL1h })
    expect([fake.host.elr, fake.host.x(5)]).toEqual([0x4008_0004n, 55n])
  })

  test('FP is given at its first use, without the host part', () => {
    const fake = fakeL0({ policy: 'split' })
    expect(fake.exit(syndrome.fpAdvSimd(), { pc: 0x4008_0000n, pstate: EL1h })).toBe('vm FP: give FP registers (run)')
    expect(fake.host.log.filter(line => /FP|save|restore/.test(line))).toEqual(['save FP', 'restore FP'])
    expect(fake.host.file.u64[SLOT.CPTR_EL2]! & (1n << 10n)).toBe(0n)
    fake.host.setX(0, 0x4b00_0000n)
    fake.exit(syndrome.hvc(0), { pc: 0x4008_0004n, pstate: EL1h })
    expect(fake.host.log.filter(line => line.endsWith('FP'))).toEqual(['save FP', 'restore FP'])
    expect(fake.host.file.u64[SLOT.CPTR_EL2]! & (1n << 10n)).toBe(1n << 10n)
  })
})

describe('world switch policies', () => {
  test('split is Linux 4.10 as a split-mode host, step by step', () => {
    const { exit, enter, put, load } = POLICIES.split
    expect([exit, enter, put, load].map(steps => steps.map(({ name }) => name).filter(name => !name.includes('virtual EL2')))).toEqual([ // of a plain VM
      ['save general registers', 'save EL1 state', 'save timer', 'timer to the host part', 'save GIC', 'deactivate traps', 'deactivate stage 2', 'restore the host part', 'FP to the host part', 'ERET to the host part'],
      ['HVC from the host part', 'save the host part', 'activate traps', 'activate stage 2', 'restore GIC', 'restore timer', 'restore EL1 state', 'restore general registers'],
      [], [],
    ])
  })

  test('lazy moves nothing for a hypercall', () => {
    const fake = fakeL0({ policy: 'lazy' })
    fake.host.setX(0, 0x4b00_0000n)
    fake.exit(syndrome.hvc(0), { pc: 0x4008_0004n, pstate: EL1h })
    expect(fake.host.log).toEqual(['mrs ESR_EL2', 'mrs ELR_EL2', 'mrs SPSR_EL2', 'msr ELR_EL2', 'msr SPSR_EL2'])
  })

  test('split keeps the guest apart from the host part', () => {
    const fake = fakeL0({ policy: 'split' })
    fake.host.file.u64[SLOT.TTBR0_EL1] = 0x1234_5000n
    fake.host.setX(0, 0x4b00_0000n)
    fake.exit(syndrome.hvc(0), { pc: 0x4008_0004n, pstate: EL1h })
    expect(fake.host.file.u64[SLOT.TTBR0_EL1]).toBe(0x1234_5000n)
    expect(fake.vcpu.virtual.u64[SLOT.TTBR0_EL1]).toBe(0x1234_5000n)
    expect(fake.vcpu.pe.hostRegisters.u64[SLOT.TTBR0_EL1]).toBe(0n)
  })
})
