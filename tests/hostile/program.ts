/**
 * Generates guest hypervisors that mean harm. A program is a row of blocks; at the start of each it says where it goes on after an exception it
 * cannot deal with (`vectors.ts`). Blocks write random values into every register of EL1 and EL2, maintain and translate random addresses,
 * reach for every device, call firmware, change their own code, turn the MMU on over nonsense, and run nested VMs (`nested-code.ts`)
 * under stage 2 tables that work or do not (`tables.ts`). The last blocks burn the bridges: after them the program need not come back.
 */
import { Assembler, Random } from '../assembler.ts'
import { anyInstruction, deviceAccess, memoryAccess, nestedCode, ROUTINES, selfModify } from './nested-code.ts'
import type { Plan } from './plan.ts'
import { descriptor, RANDOM_PAGES, STAGE2, tables } from './tables.ts'
import { anyAddress, anyHcr, anyListRegister, anyRegister, anyValue, anyVtcr, AT_ROWS, CACHE_ROWS, HCR, livelyRegister, TLBI_ROWS, valueFor } from './values.ts'
import { key, SPSR_EL1H, SPSR_EL2H, STATE, statePointer, vectors } from './vectors.ts'

/** Blocks of each vCPU before the last ones. */
const BLOCKS = 70
const LAST_BLOCKS = 6

/** An arm64 Image. */
export function hostileImage(plan: Plan, blocks = BLOCKS): Uint8Array {
  const r = new Random(plan.seed), a = new Assembler()
  imageHeader(a)
  vectors(a, r, plan)
  for (let cpu = 0; cpu < plan.vcpus; cpu++) new Program(a, r, plan, cpu).emit(blocks)
  nestedCode(a, r, plan)
  tables(a, r)
  a.align(4096)
  a.label('state')
  for (let i = 0; i < 8 * 16; i++) a.word(0)
  return imageOf(a)
}

/** 64 bytes: branch to 'start', image size at 16 (`imageOf`), flags at 24 (anywhere, 4K), magic at 56. */
export function imageHeader(a: Assembler): void {
  a.b('start')
  a.nop()
  a.word(0, 0, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, 0x644d_5241, 0)
}

export function imageOf(a: Assembler): Uint8Array {
  const bytes = a.finish()
  new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true)
  return bytes
}

class Program {
  readonly #a: Assembler
  readonly #r: Random
  readonly #plan: Plan
  readonly #cpu: number
  #labels = 0

  constructor(a: Assembler, r: Random, plan: Plan, cpu: number) {
    this.#a = a
    this.#r = r
    this.#plan = plan
    this.#cpu = cpu
  }

  #fresh(what: string): string { return `${what} ${this.#cpu}.${this.#labels++}` }

  emit(blocks: number): void {
    const a = this.#a, r = this.#r, total = blocks + LAST_BLOCKS
    a.label(this.#cpu === 0 ? 'start' : 'start 1')
    this.#setVectors()
    // The first write of HCR_EL2 chooses E2H.
    this.#write('HCR_EL2', this.#baseHcr())
    a.isb()
    this.#setVectors()
    for (let n = 0; n < total; n++) {
      a.label(`block ${this.#cpu}.${n}`)
      statePointer(a)
      a.adr(27, `block ${this.#cpu}.${n + 1}`)
      a.store(27, 28, 3, STATE.next)
      if (n === 3 && this.#cpu === 0 && this.#plan.vcpus === 2) this.#startSecondCpu()
      if (r.chance(50)) this.#write('HCR_EL2', this.#baseHcr())
      this.#setVectors()
      const operations = 1 + r.below(5)
      for (let i = 0; i < operations; i++) this.#operation(r.below(100))
      if (n >= blocks) this.#burn()
    }
    // Round again, over what it has made of itself.
    a.label(`block ${this.#cpu}.${total}`)
    a.b(`block ${this.#cpu}.0`)
  }

  #write(register: string, value: bigint, through = 0): void {
    this.#a.mov(through, value)
    this.#a.msr(key(register), through)
  }

  #baseHcr(): bigint { return HCR.RW | (this.#plan.e2h ? HCR.E2H | (this.#r.chance(70) ? HCR.TGE : 0n) : 0n) }

  #setVectors(): void {
    this.#a.adr(0, 'vectors')
    this.#a.msr(key('VBAR_EL2'), 0)
  }

  #startSecondCpu(): void {
    const a = this.#a
    a.adr(2, 'start 1')
    a.mov(0, 0xc400_0003n)
    a.mov(1, 1n)
    a.smc(0)
  }

  #operation(kind: number): void {
    const a = this.#a, r = this.#r
    if (kind < 16) {
      const row = r.chance(25) ? livelyRegister(r, 'write') : anyRegister(r, 'write')
      this.#write(row.name, valueFor(r, row))
    } else if (kind < 26) a.mrs((r.chance(25) ? livelyRegister(r, 'read') : anyRegister(r, 'read')).key, r.below(20))
    else if (kind < 33) {
      a.mov(0, r.chance(50) ? (anyAddress(r) >> 12n) | (BigInt(r.below(0x10000)) << 48n) : anyValue(r))
      a.msr(r.pick(r.chance(60) ? TLBI_ROWS : r.chance(80) ? AT_ROWS : CACHE_ROWS).key, 0)
      if (r.chance(30)) a.mrs(key('PAR_EL1'), 3)
    } else if (kind < 40) deviceAccess(a, r)
    else if (kind < 44) memoryAccess(a, r)
    else if (kind < 68) this.#enterNested()
    else if (kind < 72) this.#strangeReturn()
    else if (kind < 76) this.#call()
    else if (kind < 80) this.#timer()
    else if (kind < 83) selfModify(a, r, this.#fresh('vEL2'))
    else if (kind < 87) this.#editTables()
    else if (kind < 90) a.word(anyInstruction(r, 'straight'))
    else if (kind < 92) a.op('FMOV (general), D from X', { Rn: r.below(20), Vd: r.below(32) })
    else if (kind < 95) this.#write('HCR_EL2', anyHcr(r))
    else if (kind < 97) this.#mmu()
    else this.#interfaceControl()
  }

  /** Registers that L1 loads before an entry, then ERET; comes back by the vectors or not at all. */
  #enterNested(): void {
    const a = this.#a, r = this.#r, after = this.#fresh('after')
    // Where to go on afterwards, and how often L1 returns to the nested VM before.
    statePointer(a)
    a.adr(27, after)
    a.store(27, 28, 3, STATE.next)
    a.mov(27, BigInt(r.below(10)))
    a.store(27, 28, 3, STATE.returns)
    const table = r.below(100)
    a.adr(0, table < 40 ? 'identity' : table < 65 ? 'lazy' : table < 75 ? 'flags' : `random ${r.below(RANDOM_PAGES)}`)
    a.mov(1, BigInt(r.chance(70) ? 1 + r.below(3) : r.below(0x10000)) << 48n)
    a.or(0, 0, 1)
    if (r.chance(4)) a.mov(0, r.u64())
    a.msr(key('VTTBR_EL2'), 0)
    this.#write('VTCR_EL2', table >= 75 && r.chance(40) ? anyVtcr(r) : r.chance(97) ? 0x8000_3559n | (table >= 65 && r.chance(80) ? r.pick([1n, 3n]) << 21n : 0n) : r.u64())
    if (r.chance(40)) this.#interfaceControl()
    // Debug exceptions of the nested VM are L1's: BRK, and software steps.
    if (r.chance(8)) {
      this.#write('MDCR_EL2', 1n << 8n)
      this.#write('MDSCR_EL1', 1n)
    }
    if (r.chance(8)) this.#write('CPTR_EL2', r.pick([0x33ff_0000n, 0x400n, 0n, 0x300_0000n]) | (r.chance(50) ? 0x33ffn : 0n))
    if (r.chance(15)) this.#write(r.pick(['CPTR_EL2', 'MDCR_EL2', 'HSTR_EL2', 'CNTHCTL_EL2', 'CNTVOFF_EL2', 'HFGRTR_EL2', 'HFGWTR_EL2', 'HFGITR_EL2', 'HDFGRTR_EL2', 'HDFGWTR_EL2', 'VMPIDR_EL2', 'VPIDR_EL2', 'VNCR_EL2']), r.chance(60) ? r.u64() : anyValue(r))
    // VBAR_EL1 of what runs below has two names; the wrong one does no harm, or is skipped.
    a.adr(0, 'vectors below')
    a.msr(key('VBAR_EL1'), 0)
    a.msr(key('VBAR_EL12'), 0)
    for (const name of ['SCTLR_EL1', 'SCTLR_EL12']) this.#write(name, 0x30d0_0800n)
    if (r.chance(50)) {
      this.#write('CPACR_EL1', 3n << 20n)
      this.#write('CPACR_EL12', 3n << 20n)
    }
    this.#setVectors()
    a.bl('watchdog')
    let hcr = HCR.RW | (r.chance(88) ? HCR.VM : 0n) | (r.chance(94) ? HCR.IMO | HCR.FMO : 0n) | (r.chance(15) ? r.u64() & r.u64() : 0n)
    if (this.#plan.e2h && r.chance(90)) hcr |= HCR.E2H
    else if (r.chance(90)) hcr &= ~HCR.E2H
    if (r.chance(90)) hcr &= ~(HCR.TGE | HCR.DC)
    if (r.chance(97)) hcr &= ~HCR.HCD
    if (r.chance(12)) hcr |= r.pick([HCR.TWI, HCR.TWI | HCR.TWE, HCR.VI, HCR.VF, HCR.VSE | HCR.AMO])
    // What runs below is a hypervisor itself: its page is one of these, or wherever.
    const virtualises = r.chance(this.#plan.recursion ? 40 : 5)
    if (virtualises) hcr |= HCR.NV | r.pick([0n, HCR.NV1, HCR.NV2, HCR.NV1 | HCR.NV2])
    if (virtualises && r.chance(60)) {
      if (r.chance(50)) a.adr(0, r.chance(80) ? `random ${r.below(RANDOM_PAGES)}` : 'state')
      else a.mov(0, anyAddress(r))
      a.msr(key('VNCR_EL2'), 0)
    }
    this.#write('HCR_EL2', hcr)
    a.adr(0, virtualises && r.chance(60) ? 'nested hypervisor' : r.chance(92) ? `nested ${r.below(ROUTINES)}` : 'user')
    a.msr(key('ELR_EL2'), 0)
    this.#write('SPSR_EL2', r.chance(80) ? SPSR_EL1H : r.pick([0x3c4n, 0x3c0n, 0n, 5n, 0x5n | (1n << 21n), 0x3c5n | (1n << 20n)]))
    a.op(this.#plan.profile !== 'v8.0' && r.chance(8) ? r.pick(['ERETAA', 'ERETAB']) : 'ERET')
    a.label(after)
    // The block's own resume point again.
    if (r.chance(70)) this.#write('HCR_EL2', this.#baseHcr())
  }

  /** A return to anywhere; illegal ones included. */
  #strangeReturn(): void {
    const a = this.#a, r = this.#r, after = this.#fresh('after')
    statePointer(a)
    a.adr(27, after)
    a.store(27, 28, 3, STATE.next)
    a.mov(29, 0n)
    a.store(29, 28, 3, STATE.returns)
    if (r.chance(80)) a.adr(0, after)
    else a.mov(0, r.chance(50) ? anyAddress(r) : r.u64())
    a.msr(key('ELR_EL2'), 0)
    this.#write('SPSR_EL2', r.chance(50) ? BigInt(r.below(16)) | 0x3c0n : r.chance(50) ? BigInt(r.below(0x400)) : r.u64())
    a.eret()
    a.label(after)
  }

  #call(): void {
    const a = this.#a, r = this.#r
    // Not off, reset, or CPU_OFF: those end the program.
    a.mov(0, r.pick([0x8400_0000n, 0x8400_0003n, 0xc400_0003n, 0x8400_0004n, 0xc400_0004n, 0x8400_0006n, 0x8400_000an, 0x8000_0000n, 0x8000_0001n, 0xc600_0000n, 0n, r.u64()]))
    a.mov(1, r.chance(50) ? BigInt(r.below(4)) : anyValue(r))
    if (r.chance(70)) a.adr(2, 'vectors')
    else a.mov(2, anyValue(r))
    a.mov(3, anyValue(r))
    if (r.chance(60)) a.smc(r.chance(80) ? 0 : r.below(0x10000))
    else a.hvc(r.below(0x10000))
  }

  /** A timer, and most of the time a wait for it. */
  #timer(): void {
    const a = this.#a, r = this.#r, name = r.pick(['CNTHP', 'CNTHP', 'CNTV', 'CNTP', 'CNTHV']), suffix = name.startsWith('CNTH') ? 'EL2' : r.chance(70) ? 'EL0' : 'EL02'
    a.bl('watchdog')
    this.#write(`${name}_TVAL_${suffix}`, r.chance(93) ? BigInt(r.below(400)) : anyValue(r))
    this.#write(`${name}_CTL_${suffix}`, r.chance(93) ? 1n : BigInt(r.below(8)))
    if (r.chance(70)) a.op(r.pick(['WFI', 'WFI', 'WFE']))
    if (r.chance(30)) {
      // PSCI CPU_SUSPEND.
      a.mov(0, 0xc400_0001n)
      a.smc(0)
    }
    if (r.chance(60)) a.op('MSR (immediate), DAIFClr', { CRm: 2 })
    a.nop()
    a.op('MSR (immediate), DAIFSet', { CRm: 15 })
  }

  /** A descriptor changes under the nested VM, with or without the maintenance that it needs. */
  #editTables(): void {
    const a = this.#a, r = this.#r, page = r.chance(40) ? 'demand' : `random ${r.below(RANDOM_PAGES)}`
    a.adr(1, page)
    a.mov(0, r.chance(50) ? descriptor(a, r) : (anyAddress(r) & 0xffff_ffe0_0000n) | STAGE2.normal | 1n)
    a.store(0, 1, 3, r.chance(70) ? r.below(16) : r.below(512))
    a.dsb()
    if (r.chance(75)) {
      a.mov(0, r.chance(60) ? BigInt(0x4000_0000 + r.below(0x80_0000)) >> 12n : anyValue(r))
      a.msr(r.pick(TLBI_ROWS).key, 0)
    }
  }

  /** Virtual EL2 with its MMU on, over tables that begin well. */
  #mmu(): void {
    const a = this.#a, r = this.#r
    a.adr(0, 'stage 1')
    a.msr(key('TTBR0_EL2'), 0)
    a.adr(0, `random ${r.below(RANDOM_PAGES)}`)
    a.msr(key('TTBR1_EL2'), 0)
    this.#write('MAIR_EL2', 0xffn)
    // Both layouts: T0SZ 25, 4 KiB, and T1SZ or the RES1 bits.
    this.#write('TCR_EL2', this.#plan.e2h ? 0x2_8000_3519n | (25n << 16n) | (0x35n << 24n) : 0x8082_3519n)
    a.isb()
    this.#write('SCTLR_EL2', 0x30c5_0831n | (r.chance(30) ? 1n << 2n : 0n))
    a.isb()
    for (let i = r.below(5); i >= 0; i--) {
      if (r.chance(50)) {
        a.mov(1, r.chance(60) ? BigInt(r.below(8)) * 0x4000_0000n + BigInt(r.next() & 0x3fff_fff8) : 0xffff_ff80_0000_0000n + BigInt(r.next()) * 8n)
        a.load(2, 1, r.below(4))
      } else this.#operation(r.below(33))
    }
    this.#write('SCTLR_EL2', 0x30c5_0830n)
    a.isb()
    a.msr(key('TLBI ALLE2'), 31)
  }

  /** List registers and their control, by registers or by the GICH frame. */
  #interfaceControl(): void {
    const a = this.#a, r = this.#r, { gic } = this.#plan
    const count = 1 + r.below(5)
    for (let i = 0; i < count; i++) {
      const value = anyListRegister(r, gic)
      if (gic === 3) this.#write(`ICH_LR${r.below(16)}_EL2`, value)
      else this.#frame(0x100 + 4 * r.below(r.chance(90) ? 4 : 64), value)
    }
    const hcr = BigInt(r.chance(70) ? 1 | (r.below(256) & r.below(256)) : r.next()), vmcr = r.chance(70) ? 0xf00c_0003n : anyValue(r)
    if (gic === 3) {
      this.#write('ICH_VMCR_EL2', vmcr)
      if (r.chance(30)) this.#write(r.pick(['ICH_AP0R0_EL2', 'ICH_AP1R0_EL2']), anyValue(r))
      this.#write('ICH_HCR_EL2', hcr)
      if (r.chance(50)) a.mrs(key(r.pick(['ICH_MISR_EL2', 'ICH_EISR_EL2', 'ICH_ELRSR_EL2', 'ICH_VTR_EL2'])), 4)
    } else {
      this.#frame(8, vmcr)
      if (r.chance(30)) this.#frame(0xf0, anyValue(r))
      this.#frame(0, hcr)
      if (r.chance(50)) {
        a.mov(1, 0x0803_0000n)
        a.load(4, 1, 2, r.pick([0, 1, 2, 4, 8, 12, 0x3c, 0x40]))
      }
    }
  }

  #frame(offset: number, value: bigint): void {
    this.#a.mov(1, 0x0803_0000n + BigInt(offset))
    this.#a.mov(2, value)
    this.#a.store(2, 1, 2)
  }

  /** What a program does not come back from, or seldom. */
  #burn(): void {
    const a = this.#a, r = this.#r
    switch (r.below(12)) {
      case 0: return this.#write(r.pick(['SCTLR_EL2', 'SCTLR_EL1', 'TCR_EL2', 'TTBR0_EL2']), r.u64())
      case 1: return this.#write('VBAR_EL2', r.chance(50) ? anyAddress(r) : r.u64())
      case 2:
        this.#write('TTBR0_EL2', r.chance(50) ? anyAddress(r) : r.u64())
        this.#write('TCR_EL2', r.u64())
        return this.#write('SCTLR_EL2', r.u64() | 1n)
      case 3: return a.word(r.next())
      case 4: return a.word(anyInstruction(r, 'all'))
      case 5:
        a.mov(0, r.pick([0x8400_0002n, 0x8400_0008n, 0x8400_0009n, 0x8400_0001n]))
        return r.chance(40) ? a.smc(0) : undefined
      case 6:
        // Its own vectors and code.
        a.adr(1, r.pick(['vectors', 'same sync', 'next block', 'vectors below']))
        a.mov(2, anyValue(r))
        return a.store(2, 1, 3, r.below(32))
      case 7:
        a.mov(1, r.chance(50) ? anyAddress(r) : r.u64())
        return a.op('BR', { Rn: 1 })
      case 8: return r.chance(30) ? a.op('WFI') : a.op('MSR (immediate), DAIFClr', { CRm: 15 })
      case 9: return this.#write('SPSR_EL2', SPSR_EL2H)
      case 10:
        a.mov(1, anyAddress(r))
        a.op('ADD (immediate)', { sf: 1, imm12: 0, Rn: 1, Rd: 31 }) // MOV SP, X1
        return a.op('LDP (signed offset)', { sf: 1, imm7: 0, Rt2: 3, Rn: 31, Rt: 2 })
      default: return this.#write('HCR_EL2', r.u64())
    }
  }
}
