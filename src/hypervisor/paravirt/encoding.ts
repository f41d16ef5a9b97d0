/**
 * The 16-bit immediate of the `hvc` that stands for one hypervisor instruction (design D7; NEVE section 4, "paravirtualization"):
 * class in bits 15:13, index of the register or instruction in bits 12:5, Rt in bits 4:0. Class 0 is every genuine `hvc #n` with n
 * below 0x2000. The index is a position in the list of system registers that a guest hypervisor may name; both sides share it. Class 5 is
 * a number that the rewriter of one VM has given out, for what no immediate can say.
 */
import { ecOf, issOf, parseSystemRegister, syndrome, EC, type EncodingKey } from '../../arch/esr.ts'
import { ROWS } from '../../sysreg/index.ts'

export const CLASS = { genuine: 0, mrs: 1, msr: 2, eret: 3, system: 4, escape: 5 } as const
/** Numbers of class 5. */
export const ESCAPES = 1 << 13
export const immediateOfEscape = (number: number): number => (CLASS.escape << 13) | number
export const escapeOf = (imm16: number): number | undefined => imm16 >>> 13 === CLASS.escape ? imm16 & (ESCAPES - 1) : undefined

/** Encodings by index. One list for registers and one for SYS instructions keeps each below 256. */
const indexed = (of: 'register' | 'instruction'): readonly EncodingKey[] => {
  const keys = new Set<EncodingKey>()
  for (const row of ROWS) {
    // What exists from EL2 on, and the EL1 registers that belong to the VM of an nVHE guest hypervisor.
    const named = row.minimumEL === 2 || row.vncr !== undefined || row.neve !== undefined
    if (row.kind === of && named && row.viewOf === undefined && (row.slot >= 0 || of === 'instruction')) keys.add(row.key)
  }
  return [...keys]
}
const REGISTERS = indexed('register'), INSTRUCTIONS = indexed('instruction')
const registerIndex = new Map(REGISTERS.map((key, index) => [key, index]))
const instructionIndex = new Map(INSTRUCTIONS.map((key, index) => [key, index]))
if (REGISTERS.length > 256 || INSTRUCTIONS.length > 256) throw new Error(`${REGISTERS.length} registers and ${INSTRUCTIONS.length} instructions do not fit in 8 bits of an hvc immediate`)

/** An instruction that an `hvc` stands for. */
export type Standin =
  | { readonly kind: 'register', readonly key: EncodingKey, readonly Rt: number, readonly read: boolean }
  | { readonly kind: 'instruction', readonly key: EncodingKey, readonly Rt: number }
  | { readonly kind: 'eret' }

/** undefined: the register has no index, the site cannot be rewritten. */
export function immediateOf(standin: Standin): number | undefined {
  if (standin.kind === 'eret') return CLASS.eret << 13
  const index = (standin.kind === 'register' ? registerIndex : instructionIndex).get(standin.key)
  if (index === undefined) return undefined
  const of = standin.kind === 'instruction' ? CLASS.system : standin.read ? CLASS.mrs : CLASS.msr
  return (of << 13) | (index << 5) | standin.Rt
}

/** undefined: a genuine hvc, or an immediate that stands for nothing. */
export function standinOf(imm16: number): Standin | undefined {
  const of = imm16 >>> 13, index = (imm16 >>> 5) & 0xff, Rt = imm16 & 31
  switch (of) {
    case CLASS.eret: return (imm16 & 0x1fff) === 0 ? { kind: 'eret' } : undefined
    case CLASS.mrs: case CLASS.msr: {
      const key = REGISTERS[index]
      return key === undefined ? undefined : { kind: 'register', key, Rt, read: of === CLASS.mrs }
    }
    case CLASS.system: {
      const key = INSTRUCTIONS[index]
      return key === undefined ? undefined : { kind: 'instruction', key, Rt }
    }
    default: return undefined
  }
}

/**
 * The syndrome that hardware with FEAT_NV would have given for an exit from vEL2, or undefined when this exit is what it says.
 * The preferred return address of an `hvc` is the next instruction; of a trap it is the instruction itself: the caller steps back.
 */
export function trappedSyndrome(exitSyndrome: number): number | undefined {
  if (ecOf(exitSyndrome) !== EC.HVC64) return undefined
  const standin = standinOf(issOf(exitSyndrome) & 0xffff)
  if (standin === undefined) return undefined
  return standin.kind === 'eret' ? syndrome.eret(0) : syndrome.systemRegister(standin.key, standin.Rt, standin.kind === 'register' && standin.read)
}

/** The mirror for tests: what `hvc` stands for a trap with this syndrome. */
export function standinOfSyndrome(trapped: number): Standin | undefined {
  if (ecOf(trapped) === EC.ERET) return { kind: 'eret' }
  if (ecOf(trapped) !== EC.SystemRegister) return undefined
  const { key, Rt, read } = parseSystemRegister(issOf(trapped))
  return key >>> 14 === 1 ? { kind: 'instruction', key, Rt } : { kind: 'register', key, Rt, read }
}
