/**
 * `--identification`: the ID registers that an L1 with EL2 reads, below our L0 and below Debian's 7.x with `kvm-arm.mode=nested` in its place. The L1 is
 * some two hundred generated instructions.
 */
import { rowByName } from '../../src/sysreg/index.ts'
import { Assembler } from '../../tests/assembler.ts'
import { LINUX_QUIET } from '../../src/lab/linux.ts'
import { hypervisor } from './levels.ts'
import { buildMachine } from './machine.ts'

const REGISTERS = [
  'ID_AA64PFR0_EL1', 'ID_AA64PFR1_EL1', 'ID_AA64DFR0_EL1', 'ID_AA64ISAR0_EL1', 'ID_AA64ISAR1_EL1', 'ID_AA64ISAR2_EL1', 'ID_AA64MMFR0_EL1', 'ID_AA64MMFR1_EL1', 'ID_AA64MMFR2_EL1',
  'ID_AA64MMFR3_EL1', 'ID_AA64MMFR4_EL1', 'MIDR_EL1', 'CTR_EL0', 'DCZID_EL0', 'CLIDR_EL1', 'CNTFRQ_EL0', 'ICH_VTR_EL2',
] as const
const UART = 0x0900_0000n
/** RET, the header's magic, and its first word behind the branch. */
const RET = 0xd65f_03c0, MAGIC = 0x644d_5241, NOP = 0xd503_201f

/** Prints each register as 16 hexadecimal digits and a newline, then powers off. */
function image(): Uint8Array {
  const a = new Assembler()
  a.b('start')
  a.word(NOP, 0, 0, 0, 0, 0xa, 0, 0, 0, 0, 0, 0, 0, MAGIC, 0)
  a.label('print')
  for (let shift = 60; shift >= 0; shift -= 4) {
    a.shiftRight(2, 0, shift)
    a.low(2, 2, 4)
    // The distance from '9' to 'a' is 39 more: 32 + 4 + 2 + 1.
    a.addImmediate(3, 2, 6)
    a.shiftRight(3, 3, 4)
    for (const power of [5, 2, 1, 0]) a.addShifted(2, 2, 3, power)
    a.addImmediate(2, 2, 48)
    a.store(2, 1, 2)
  }
  a.mov(2, 10n)
  a.store(2, 1, 2)
  a.word(RET)
  a.label('start')
  a.mov(1, UART)
  for (const name of REGISTERS) {
    a.mrs(rowByName(name)!.key, 0)
    a.bl('print')
  }
  a.mov(0, 0x8400_0008n)
  a.smc(0)
  const bytes = a.finish()
  new DataView(bytes.buffer).setBigUint64(16, BigInt(bytes.length), true)
  return bytes
}

/** What L1 says. */
async function valuesBelow(bare: boolean): Promise<readonly string[]> {
  const kernel = image(), place = { bare, arch: 'v8.4', smp: 1, el2: true, recursion: true, machine: {} } as const
  const linux = bare ? await hypervisor('7', { name: 'ID registers', files: { kernel }, options: 'vcpus=1 gic=3 el2', megabytes: 64, check: () => [] }) : undefined
  let printed = ''
  const machine = buildMachine(linux === undefined ? { image: kernel, append: '', megabytes: 64 } : { ...linux, append: `${LINUX_QUIET} kvm-arm.mode=nested -- ${linux.vmm}` },
    { ...place, console: byte => { printed += String.fromCharCode(byte) } })
  machine.run({ maxInstructions: 4_000_000_000 })
  const values = [...printed.matchAll(/^([0-9a-f]{16})\r*$/gm)].map(([, digits]) => digits!)
  if (values.length !== REGISTERS.length) throw new Error(`${bare ? 'bare' : 'below L0'}: ${values.length} registers instead of ${REGISTERS.length}; it printed:\n${printed}`)
  return values
}

/** The architecture's fields of ID registers are four bits wide, those of the others are shown as a whole. */
function difference(name: string, ours: string, theirs: string): string {
  if (ours === theirs) return ''
  if (!name.startsWith('ID_')) return 'differs'
  const fields: string[] = []
  for (let n = 0; n < 16; n++) {
    const mine = ours[15 - n]!, other = theirs[15 - n]!
    if (mine !== other) fields.push(`[${4 * n + 3}:${4 * n}] ${mine} and ${other}`)
  }
  return fields.join(', ')
}

export async function identificationTable(): Promise<string> {
  const ours = await valuesBelow(false), theirs = await valuesBelow(true)
  return ['| register | below our L0 | below 7.x | fields that differ |', '|---|---|---|---|', ...REGISTERS.map((name, i) => `| \`${name}\` | \`${ours[i]}\` | \`${theirs[i]}\` | ${difference(name, ours[i]!, theirs[i]!)} |`), ''].join('\n')
}
