import { describe, expect, test } from 'vitest'
import { syndrome } from '../../arch/esr.ts'
import { MODE, PSTATE } from '../../arch/pstate.ts'
import { rowByName, SLOT } from '../../sysreg/index.ts'
import { fakeL0, RAM, RAM_SIZE, VM_PA, VM_SIZE } from '../fake-host.test-support.ts'
import type { Fake, FakeOptions } from '../fake-host.test-support.ts'
import { PageRewriter } from '../paravirt/page-rewriter.ts'
import type { Stage2Table } from '../stage2.ts'
import type { RewrittenGuest } from '../vm.ts'

const EL1h = 0x3c0 | MODE.EL1h
/** A page of L1 with something to rewrite, one without, both in one block of 2 MiB, and one in another. */
const CODE = RAM + 0x20_3000, PLAIN = RAM + 0x20_5000, FAR = RAM + 0x40_7000
const MRS_HCR = 0xd53c_1103, NOP = 0xd503_201f, HVC_OF_MRS_HCR = /^d4[0-9a-f]{6}$/

interface SetUp { readonly fake: Fake, readonly rewriter: PageRewriter, readonly companions: number[] }

function setUp(options: FakeOptions = {}): SetUp {
  const rewriter = new PageRewriter({ form: 'nv', guest: 'nvhe', gic: 2 }), companions: number[] = []
  const rewritten: RewrittenGuest = {
    form: 'nv', registerPage: undefined, refuseTables: () => undefined, rewrite: (ipa, original) => rewriter.rewrite(ipa, original), companions: () => companions,
    withdrawn: () => { rewriter.withdrawn() }, standsFor: exit => rewriter.standsFor(exit), saveState: () => rewriter.saveState(), restoreState: (saved, path) => { rewriter.restoreState(saved, path) },
  }
  const fake = fakeL0({ el2: 'nvhe', profile: 'v8.0', rewritten, ...options })
  put(fake, CODE, MRS_HCR)
  put(fake, CODE + 4, NOP)
  put(fake, PLAIN, NOP)
  return { fake, rewriter, companions }
}

const put = (fake: Fake, ipa: number, word: number): void => { fake.l0.vms[0]!.memory.machine.write32(ipa - RAM + VM_PA, word) }
const fetch = (fake: Fake, ipa: number, more: { readonly pc?: bigint, readonly pe?: number, readonly walk?: boolean } = {}) =>
  fake.exit(syndrome.instructionAbort(false, more.walk === true ? 0x06 : 0x0f, more.walk), { pc: more.pc ?? BigInt(ipa), pstate: EL1h, ipa, ...(more.pe === undefined ? {} : { pe: more.pe }) })
const access = (fake: Fake, ipa: number, write: boolean, more: { readonly pc?: bigint, readonly cm?: boolean } = {}) =>
  fake.exit(syndrome.dataAbort(false, { dfsc: 0x0f, write, ...(more.cm === undefined ? {} : { cm: more.cm }) }), { pc: more.pc ?? 0x4000_0000n, pstate: EL1h, ipa })
const own = (fake: Fake, vcpu = 0): Stage2Table => fake.l0.vms[0]!.vcpus[vcpu]!.nested!.ownStage2!

function leaf(table: Stage2Table, ipa: number): string {
  const found = table.lookup(ipa)
  if (found === undefined) return 'nothing'
  const { descriptor, shift } = found, pa = Number(descriptor & 0xffff_ffff_f000n)
  const what = pa === ipa - ipa % 2 ** shift - RAM + VM_PA ? 'itself' : 'copy'
  return `${shift === 21 ? 'block ' : ''}${what} ${(descriptor & 0x40n) !== 0n ? 'r' : ''}${(descriptor & 0x80n) !== 0n ? 'w' : ''}${(descriptor & (1n << 54n)) === 0n ? 'x' : ''}`
}
const copyOf = (fake: Fake, ipa: number, offset = 0): string =>
  fake.l0.vms[0]!.memory.machine.read32(Number(own(fake).lookup(ipa)!.descriptor & 0xffff_ffff_f000n) + offset)!.toString(16)

/** L1 goes to its own EL1, or to an L2 whose memory at IPA 0 is L1's from `l2`. */
function below(fake: Fake, l2?: number): void {
  const write = (name: string, value: bigint) => {
    fake.host.setX(0, value)
    // What stands in the copy of an MSR on the register.
    fake.exit(syndrome.hvc(hvcOf(name)), { pc: BigInt(CODE) + 4n, pstate: EL1h })
  }
  if (l2 !== undefined) {
    const table = RAM + 0x60_0000
    for (const [at, value] of [[table, BigInt(table + 0x1000) | 3n], [table + 0x1000, BigInt(l2) | 0x7fcn | 1n]] as const) fake.l0.vms[0]!.memory.writeBytes(at, new Uint8Array(new BigUint64Array([value]).buffer))
    write('VTTBR_EL2', (5n << 48n) | BigInt(table))
    write('VTCR_EL2', 0x8000_3559n)
  }
  write('HCR_EL2', (1n << 31n) | (l2 === undefined ? 0n : 1n))
  write('SPSR_EL2', BigInt(EL1h))
  write('ELR_EL2', 0x4000_0000n)
  fake.exit(syndrome.hvc(3 << 13), { pc: BigInt(CODE) + 4n, pstate: EL1h })
}
/** The immediate of MSR of X0, from the rewriter itself. */
function hvcOf(name: string): number {
  const page = new Uint8Array(4096)
  new DataView(page.buffer).setUint32(0, 0xd500_0000 | (rowByName(name)!.key << 5), true)
  const copy = new PageRewriter({ form: 'nv', guest: 'nvhe', gic: 2 }).rewrite(0, page)
  if (!(copy instanceof Uint8Array)) throw new Error(`${name} is not rewritten`)
  return (new DataView(copy.buffer).getUint32(0, true) >>> 5) & 0xffff
}

describe('pages that virtual EL2 executes', () => {
  test('data is a block without execute permission; a fetch makes the page code and leaves its neighbours as they were', () => {
    const { fake } = setUp()
    access(fake, CODE, false)
    expect(leaf(own(fake), CODE)).toBe('block itself rw')
    expect(fetch(fake, CODE)).toBe('vEL2 stage 2 abort: rewrite (run)')
    expect(fake.host.log).toContain('tlbi VMALLS12E1IS')
    expect([leaf(own(fake), CODE), leaf(own(fake), PLAIN), leaf(own(fake), CODE - 4096)]).toEqual(['copy rx', 'itself rw', 'itself rw'])
    expect(copyOf(fake, CODE)).toMatch(HVC_OF_MRS_HCR)
    expect(copyOf(fake, CODE, 4)).toBe(NOP.toString(16))
  })

  test('a page with nothing to rewrite is its own copy, and is not writable either', () => {
    const { fake } = setUp()
    fetch(fake, PLAIN)
    expect(leaf(own(fake), PLAIN)).toBe('itself rx')
    expect(access(fake, PLAIN, true)).toBe('vEL2 stage 2 abort: withdraw rewritten code (run)')
    expect(leaf(own(fake), PLAIN)).toBe('itself rw')
  })

  test('written and fetched again: the new words are rewritten', () => {
    const { fake, rewriter } = setUp()
    fetch(fake, CODE)
    access(fake, CODE, true)
    put(fake, CODE, NOP)
    put(fake, CODE + 4, MRS_HCR)
    fetch(fake, CODE)
    expect(copyOf(fake, CODE)).toBe(NOP.toString(16))
    expect(copyOf(fake, CODE, 4)).toMatch(HVC_OF_MRS_HCR)
    expect(rewriter.report()).toMatchObject({ pages: 1, rewritten: 1, copies: 2, withdrawn: 1, sites: { hvc: 1 } })
  })

  test('a fetch that fails in its table walk reads a table; cache maintenance writes nothing', () => {
    const { fake } = setUp()
    fetch(fake, CODE, { walk: true })
    expect(leaf(own(fake), CODE)).toBe('block itself rw')
    fetch(fake, CODE)
    expect(access(fake, CODE, true, { cm: true })).toBe('vEL2 stage 2 abort: ignore (run)')
    expect(leaf(own(fake), CODE)).toBe('copy rx')
  })

  test('another vCPU sees the same copy, and loses it at the same time', () => {
    const { fake } = setUp({ cpus: 2, pes: 2 })
    fetch(fake, CODE)
    expect(own(fake).lookup(CODE)).toEqual(own(fake, 1).lookup(CODE))
    access(fake, CODE, true)
    expect([leaf(own(fake), CODE), leaf(own(fake, 1), CODE)]).toEqual(['itself rw', 'itself rw'])
  })

  test('L1\'s own EL1 executes the page itself, and its write withdraws the copy', () => {
    const { fake } = setUp(), { stage2 } = fake.l0.vms[0]!
    below(fake)
    fetch(fake, CODE)
    expect(leaf(stage2, CODE)).toBe('block itself rwx')
    fake.exit(syndrome.hvc(0), { pc: 0x4000_0004n, pstate: EL1h })
    fetch(fake, CODE)
    expect([leaf(stage2, CODE), leaf(stage2, PLAIN)]).toEqual(['itself rx', 'itself rwx'])
    below(fake)
    expect(access(fake, CODE, true)).toBe('L1 stage 2 abort: withdraw rewritten code (run)')
    expect([leaf(stage2, CODE), leaf(own(fake), CODE)]).toEqual(['itself rwx', 'itself rw'])
    expect(fake.host.log).toContain('tlbi VMALLS12E1IS')
  })

  test('an L2 that was given the page: read-only while it is code, and its write withdraws the copy', () => {
    const { fake } = setUp(), block = CODE - CODE % 2 ** 21, ipa = CODE - block
    below(fake, block)
    const { context } = fake.vcpu
    if (context.kind !== 'L2') throw new Error('not in L2')
    const { table } = context.shadow, l2 = (write: boolean) => access(fake, ipa, write)
    l2(true)
    expect(table.lookup(ipa)).toMatchObject({ shift: 21 })
    fake.exit(syndrome.hvc(0), { pc: 0x4000_0004n, pstate: EL1h })
    fetch(fake, CODE)
    expect(table.lookup(ipa)).toBeUndefined()
    below(fake, block)
    l2(false)
    const { descriptor, shift } = table.lookup(ipa)!
    expect([shift, descriptor & 0xc0n]).toEqual([12, 0x40n])
    expect(leaf(own(fake), CODE)).toBe('copy rx')
    l2(true)
    expect(table.lookup(ipa)!.descriptor & 0xc0n).toBe(0xc0n)
    expect(leaf(own(fake), CODE)).toBe('itself rw')
  })

  test('what a device of the VMM writes is data before a vCPU runs', () => {
    const { fake } = setUp(), pages = fake.l0.vms[0]!.codePages!
    fetch(fake, CODE)
    pages.deviceWrote(CODE - 100, 101)
    fake.exit(syndrome.wfx(1), { pc: BigInt(CODE), pstate: EL1h })
    expect(leaf(own(fake), CODE)).toBe('itself rw')
  })

  test('a write to the page of the instruction itself is stepped over', () => {
    const { fake } = setUp(), { file } = fake.host, pc = BigInt(CODE) + 4n
    file.u64[SLOT.OSLAR_EL1] = 1n
    fetch(fake, CODE)
    access(fake, CODE + 8, true, { pc })
    expect(fetch(fake, CODE, { pc: BigInt(CODE) })).toBe('vEL2 stage 2 abort: rewrite (run)')
    access(fake, CODE + 8, true, { pc })
    expect(fetch(fake, CODE, { pc })).toBe('vEL2 stage 2 abort: step over a write to its own page (run)')
    expect(leaf(own(fake), CODE)).toBe('itself rwx')
    expect([fake.host.spsr & PSTATE.SS, file.u64[SLOT.MDSCR_EL1]! & 1n, file.u64[SLOT.MDCR_EL2]! & (1n << 8n), file.u64[SLOT.OSLAR_EL1]]).toEqual([PSTATE.SS, 1n, 1n << 8n, 0n])
    expect(fake.exit(((0x32 << 26) | (1 << 25) | 0x22) >>> 0, { pc: pc + 4n, pstate: EL1h })).toBe('vEL2 step: over a write to its own page (run)')
    expect([fake.host.spsr & PSTATE.SS, file.u64[SLOT.MDSCR_EL1]! & 1n, file.u64[SLOT.MDCR_EL2]! & (1n << 8n)]).toEqual([0, 0n, 0n])
    expect(leaf(own(fake), CODE)).toBe('itself rw')
  })

  test('an interrupt in place of the step leaves nothing of it', () => {
    const { fake } = setUp(), pc = BigInt(CODE) + 4n
    fetch(fake, CODE)
    access(fake, CODE + 8, true, { pc })
    fetch(fake, CODE, { pc })
    fake.exit(0, { pc, pstate: EL1h | PSTATE.SS, kind: 'irq' })
    expect([leaf(own(fake), CODE), fake.vcpu.pstate & PSTATE.SS, fake.host.spsr & PSTATE.SS]).toEqual(['itself rw', 0, 0])
  })

  test('pages that others branch into come and go with them', () => {
    const { fake, companions } = setUp()
    companions.push(FAR)
    fetch(fake, CODE)
    expect([leaf(own(fake), CODE), leaf(own(fake), FAR)]).toEqual(['copy rx', 'itself rx'])
    access(fake, FAR, true)
    expect([leaf(own(fake), CODE), leaf(own(fake), FAR)]).toEqual(['itself rw', 'itself rw'])
  })

  test('an L1 that executes all of its memory does not use up L0\'s', () => {
    const { fake } = setUp(), { pages, codePages } = fake.l0.vms[0]!
    const most = pages.available
    for (let ipa = RAM; ipa < RAM + VM_SIZE; ipa += 4096) {
      put(fake, ipa, MRS_HCR)
      expect(fetch(fake, ipa)).toBe('vEL2 stage 2 abort: rewrite (run)')
      expect(leaf(own(fake), ipa)).toBe('copy rx')
    }
    expect(pages.available).toBeGreaterThan(most / 2)
    codePages!.flush(fake.host)
    expect(codePages!.has(RAM)).toBe(false)
  })

  test('nothing but RAM is executed', () => {
    const { fake } = setUp()
    expect(fetch(fake, RAM + RAM_SIZE)).toMatch(/External abort/)
    expect(fetch(fake, 0x0801_0000)).toMatch(/External abort/)
  })

  test('a snapshot keeps pages, copies and numbers', () => {
    const { fake, rewriter } = setUp(), { codePages } = fake.l0.vms[0]!
    put(fake, CODE + 8, 0xd400_0002 | (0x2345 << 5))
    fetch(fake, CODE)
    fetch(fake, PLAIN)
    const saved = codePages!.saveState(), report = rewriter.report()
    codePages!.flush(fake.host)
    codePages!.restoreState(saved, 'codePages')
    expect(codePages!.saveState()).toEqual(saved)
    expect(rewriter.report()).toEqual(report)
    expect(rewriter.standsFor(syndrome.hvc(0xa000))).toEqual({ kind: 'hvc', syndrome: syndrome.hvc(0x2345) })
    expect(() => codePages!.restoreState({ ...saved as object, pages: [CODE + 4, 0] }, 'codePages')).toThrow(/holds no page/)
  })
})
