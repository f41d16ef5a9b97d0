/**
 * Generates guest hypervisors that mean harm: random values into every register that exists at EL1 and EL2, TLBI and AT of everything, the
 * GIC's frames, returns to anywhere, nested VMs under valid and under random stage 2 tables. Vectors bring the program back, so that it
 * goes on.
 */
import { ROWS, rowByName } from '../../src/sysreg/index.ts'
import type { Row } from '../../src/sysreg/index.ts'
import { Assembler, Random } from '../assembler.ts'

const key = (name: string): number => rowByName(name)!.key
const HARMFUL_TO_PROGRESS = new Set(['SCTLR_EL12', 'VBAR_EL12', 'SCTLR_EL2', 'SCTLR_EL1', 'TCR_EL2', 'TCR_EL1', 'TTBR0_EL2', 'TTBR0_EL1', 'VBAR_EL2', 'VBAR_EL1', 'MAIR_EL2', 'MAIR_EL1'])
const registers: readonly Row[] = ROWS.filter(row => row.kind === 'register' && row.viewOf === undefined && row.minimumEL <= 2)
const written = registers.filter(row => row.access !== 'RO')
const read = registers.filter(row => row.access !== 'WO')
const maintenance: readonly Row[] = ROWS.filter(row => row.kind === 'instruction' && (row.name.startsWith('TLBI ') || row.name.startsWith('AT ')))

const RAM = 0x4000_0000n, RAM_SIZE = 0x0400_0000n
/** Frames of the interrupt controller and devices, and nothing. The CPU interface (GICC, GICV) is the machine's own; its gaps end the run by name. */
const PLACES = [0x0800_0000n, 0x0803_0000n, 0x0803_0000n, 0x080a_0000n, 0x0900_0000n, 0x0a00_0000n, 0x3000_0000n, 0x100_0000_0000n, RAM + RAM_SIZE] as const
const HCR_RW = 1n << 31n, HCR_VM = 1n, HCR_IMO = 1n << 4n, HCR_FMO = 1n << 3n, HCR_E2H = 1n << 34n, HCR_TGE = 1n << 27n, HCR_HCD = 1n << 29n

export interface HostileOptions { readonly seed: number, readonly gic: 2 | 3, readonly operations?: number }

/** An arm64 Image. */
export function hostileImage({ seed, operations = 160 }: HostileOptions): Uint8Array {
  const r = new Random(seed), a = new Assembler()
  header(a)
  vectors(a)
  a.label('start')
  a.adr(0, 'vectors')
  a.msr(key('VBAR_EL2'), 0)
  a.mov(0, HCR_RW | (r.chance(40) ? HCR_E2H | (r.chance(70) ? HCR_TGE : 0n) : 0n))
  a.msr(key('HCR_EL2'), 0)
  a.isb()
  a.adr(0, 'vectors')
  a.msr(key('VBAR_EL2'), 0)
  a.label('again')
  for (let i = 0; i < operations; i++) operation(a, r, i)
  a.b('again')
  for (let i = 0; i < 4; i++) nestedCode(a, r, i)
  tables(a, r)
  const bytes = a.finish()
  new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true)
  return bytes
}

/** 64 bytes: branch to the start, image size at 16, flags at 24 (anywhere, 4K), magic at 56. */
function header(a: Assembler): void {
  a.b('start')
  a.word(0xd503_201f, 0, 0, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, 0x644d_5241, 0)
}

function vectors(a: Assembler): void {
  a.align(2048)
  a.label('vectors')
  for (let entry = 0; entry < 16; entry++) {
    const start = a.size
    if (entry < 8 && (entry & 3) === 0) {
      // Synchronous, from virtual EL2 itself: the instruction is skipped.
      a.mrs(key('ELR_EL2'), 28)
      a.addImmediate(28, 28, 4)
      a.msr(key('ELR_EL2'), 28)
    } else if (entry >= 8) {
      // From below: the program goes on where X27 says.
      a.msr(key('ELR_EL2'), 27)
    }
    // Interrupts masked, IL clear.
    a.mov(28, 0x3c9n)
    a.msr(key('SPSR_EL2'), 28)
    a.eret()
    while (a.size < start + 128) a.word(0xd503_201f)
  }
  a.label('vectors below')
  for (let entry = 0; entry < 16; entry++) {
    a.hvc(entry)
    for (let i = 1; i < 32; i++) a.word(0xd503_201f)
  }
}

function randomValue(r: Random): bigint {
  switch (r.below(6)) {
    case 0: return 0n
    case 1: return r.u64()
    case 2: return 1n << BigInt(r.below(64))
    case 3: return BigInt(r.next())
    case 4: return RAM + (BigInt(r.next()) % RAM_SIZE) & ~0xfffn
    default: return 0xffff_ffff_ffff_ffffn ^ (1n << BigInt(r.below(64)))
  }
}

function operation(a: Assembler, r: Random, i: number): void {
  const kind = r.below(100)
  if (kind < 30) {
    let row = r.pick(written)
    if (HARMFUL_TO_PROGRESS.has(row.name) && !r.chance(4)) row = rowByName('CPTR_EL2')!
    let value = randomValue(r)
    if (row.name === 'HCR_EL2') value = (value & ~(HCR_E2H | HCR_TGE)) | HCR_RW
    a.mov(0, value)
    a.msr(row.key, 0)
  } else if (kind < 50) a.mrs(r.pick(read).key, r.below(20))
  else if (kind < 60) {
    a.mov(0, randomValue(r))
    a.msr(r.pick(maintenance).key, 0)
  } else if (kind < 75) {
    a.mov(1, r.pick(PLACES) + BigInt(r.below(0x400) * (r.chance(80) ? 4 : 1)))
    a.mov(0, randomValue(r))
    if (r.chance(60)) a.store(0, 1, r.chance(80) ? 2 : r.below(4))
    else a.load(2, 1, r.chance(80) ? 2 : r.below(4))
  } else if (kind < 92) enterNested(a, r, i)
  else if (kind < 95) {
    // A return to anywhere; illegal ones included.
    a.adr(27, `after${i}`)
    a.adr(0, `after${i}`)
    a.msr(key('ELR_EL2'), 0)
    a.mov(0, r.chance(50) ? BigInt(r.below(0x400)) : r.u64())
    a.msr(key('SPSR_EL2'), 0)
    a.eret()
    a.label(`after${i}`)
  } else if (kind < 97) a.hvc(r.below(0x10000))
  else if (kind < 98) {
    a.mov(0, 0x8400_0000n + BigInt(r.pick([0, 4, 6, 10, 11])))
    a.smc(0)
  } else if (r.chance(10)) a.word(r.next())
}

function enterNested(a: Assembler, r: Random, i: number): void {
  a.adr(0, r.chance(70) ? 'identity' : 'random')
  if (r.chance(20)) a.mov(1, BigInt(r.below(0x10000)) << 48n)
  else a.mov(1, 1n << 48n)
  a.word(0xaa01_0000) // ORR X0, X0, X1
  if (r.chance(5)) a.mov(0, r.u64())
  a.msr(key('VTTBR_EL2'), 0)
  a.mov(0, r.chance(80) ? 0x8000_3559n : r.u64())
  a.msr(key('VTCR_EL2'), 0)
  a.mov(0, HCR_RW | (r.chance(90) ? HCR_VM : 0n) | (r.chance(60) ? HCR_IMO | HCR_FMO : 0n) | (r.chance(25) ? r.u64() & ~(HCR_E2H | HCR_TGE | (r.chance(98) ? HCR_HCD : 0n)) : 0n))
  a.msr(key('HCR_EL2'), 0)
  // VBAR_EL1 of what runs below has two names; the wrong one is skipped.
  a.adr(0, 'vectors below')
  a.msr(key('VBAR_EL1'), 0)
  a.msr(key('VBAR_EL12'), 0)
  a.mov(0, 0x30d0_0800n)
  a.msr(key('SCTLR_EL1'), 0)
  a.msr(key('SCTLR_EL12'), 0)
  a.adr(0, 'vectors')
  a.msr(key('VBAR_EL2'), 0)
  a.mov(0, 0x30c5_0830n)
  a.msr(key('SCTLR_EL2'), 0)
  a.adr(27, `after${i}`)
  a.adr(0, `nested${r.below(4)}`)
  a.msr(key('ELR_EL2'), 0)
  a.mov(0, r.chance(85) ? 0x3c5n : 0x3c0n)
  a.msr(key('SPSR_EL2'), 0)
  a.eret()
  a.label(`after${i}`)
  a.mov(0, HCR_RW)
  a.msr(key('HCR_EL2'), 0)
}

/** L2: MMU off, a few accesses, then HVC. */
function nestedCode(a: Assembler, r: Random, n: number): void {
  a.label(`nested${n}`)
  for (let i = 0; i < 8; i++) {
    switch (r.below(5)) {
      case 0:
        a.mov(1, r.chance(60) ? RAM + BigInt(r.below(0x0400_0000) & ~7) : r.pick(PLACES) + BigInt(r.below(0x1000) & ~3))
        a.load(2, 1, r.below(4))
        break
      case 1:
        a.mov(1, r.chance(60) ? RAM + 0x0200_0000n + BigInt(r.below(0x0100_0000) & ~7) : r.pick(PLACES) + BigInt(r.below(0x1000) & ~3))
        a.store(2, 1, r.below(4))
        break
      case 2: {
        const row = r.pick(written)
        if (row.minimumEL < 2 && !HARMFUL_TO_PROGRESS.has(row.name)) {
          a.mov(0, randomValue(r))
          a.msr(row.key, 0)
        }
        break
      }
      case 3:
        a.mrs(r.pick(read).key, r.below(20))
        break
      default:
        if (r.chance(20)) a.word(0xd503_205f) // WFE
    }
  }
  a.hvc(0)
  a.b(`nested${n}`)
}

/** Stage 2 tables, 4 KiB granule, start level 1, 39-bit input. */
function tables(a: Assembler, r: Random): void {
  a.align(4096)
  a.label('identity')
  const block = (address: number, attributes: number): void => a.word((address | attributes) >>> 0, Math.floor(address / 2 ** 32))
  block(0x0000_0000, 0x4c5) // 1 GiB, Device, read and write
  block(0x4000_0000, 0x7fd) // 1 GiB, Normal
  for (let i = 2; i < 512; i++) a.word(0, 0)
  a.label('random')
  for (let i = 0; i < 512; i++) {
    // Pointers into this VM's memory (tables of whatever stands there), beyond it, and nonsense.
    const low = r.chance(70) ? (0x4000_0000 | (r.next() & 0x03ff_f000) | r.below(0x1000)) >>> 0 : r.next()
    a.word(low, r.chance(80) ? 0 : r.next())
  }
}
