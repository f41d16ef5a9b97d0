/**
 * What an interpreter needs to know of a variant: its operand slots, found by running the body against a builder that only takes notes.
 *
 * A decode record holds the slots' values; a handler refers to them. `operandsOf(variant)` says which slots there are, in a fixed order;
 * `decodeOperands(variant, word, out)` computes their values for a word.
 */
import type { FpBits, FpOperation } from './fp-operation.ts'
import { fieldsOf, type Immediate, type Row, type Variant } from './instruction.ts'
import type { Semantics, Width } from './semantics.ts'
import { strictStatics } from './table.ts'

export type RegisterMode = 'readX' | 'writeX' | 'readXSP' | 'writeXSP' | 'readQ' | 'writeQ'

/**
 * A register slot. Its decoded value is the register number 0 to 31 (field plus `plus`, modulo 32). 31 is, by mode: zero (readX), nothing
 * (writeX), the stack pointer (readXSP, writeXSP), V31 (readQ, writeQ). A body that reads and writes `Rd` has two slots for it.
 */
export interface RegisterOperand { readonly mode: RegisterMode, readonly name: string, readonly plus: 0 | 1 | 2 | 3 }
/** An immediate slot: declared width, and the widths at which the body reads it. Its decoded value is a signed number (32) or bigint (64). */
export interface ImmediateOperand { readonly mode: 'imm', readonly name: string, readonly width: 32 | 64, readonly readAs: readonly Width[] }
export type Operand = RegisterOperand | ImmediateOperand

/** What the body does, for choosing handlers and for tests. */
export interface VariantFacts {
  readonly operands: readonly Operand[]
  readonly loads: boolean
  readonly stores: boolean
  /** Uses SIMD&FP registers (calls checkFPEnabled). */
  readonly fp: boolean
  /** Formats of the floating-point operations. */
  readonly formats: readonly FpBits[]
  /** Contains a branch, or something else that need not continue at the next instruction. */
  readonly controlFlow: boolean
  /** Reads the address of the instruction. */
  readonly readsPC: boolean
  readonly readsFlags: boolean
  readonly writesFlags: boolean
  /** Calls into the CPU: exceptions, system registers, waits, PSTATE. */
  readonly system: boolean
}

const FIXED_REGISTERS: Readonly<Record<string, number>> = { X16: 16, X17: 17, X30: 30, SP: 31 }

/** Number of the register that a fixed operand name ('X30', 'SP') implies, if it is one. */
export const fixedRegister = (name: string): number | undefined => FIXED_REGISTERS[name]

const facts: (VariantFacts | undefined)[] = []

export function factsOf(variant: Variant): VariantFacts {
  return facts[variant.index] ??= record(variant)
}
export const operandsOf = (variant: Variant): readonly Operand[] => factsOf(variant).operands

function immediateOf(row: Row, name: string): Immediate<Readonly<Record<string, number>>> {
  const immediate = row.immediates[name]
  if (immediate === undefined) throw new Error(`${row.name}: the body uses the immediate ${name}, which the row does not declare`)
  return immediate
}

function record(variant: Variant): VariantFacts {
  const { row } = variant
  const operands: Operand[] = [], formats: FpBits[] = []
  const did = { loads: false, stores: false, fp: false, controlFlow: false, readsPC: false, readsFlags: false, writesFlags: false, system: false }
  const note = (mode: RegisterMode, name: string, plus: 0 | 1 | 2 | 3 = 0): void => {
    if (fixedRegister(name) === undefined && !row.fields.some(field => field.name === name && field.dynamic)) throw new Error(`${row.name}: ${name} is no dynamic field`)
    if (!operands.some(o => o.mode === mode && o.name === name && o.plus === plus)) operands.push({ mode, name, plus })
  }
  const noteImmediate = (name: string, width: Width): void => {
    const at = operands.findIndex(o => o.mode === 'imm' && o.name === name)
    const before = at < 0 ? [] : (operands[at] as ImmediateOperand).readAs
    const operand: ImmediateOperand = { mode: 'imm', name, width: immediateOf(row, name).width, readAs: before.includes(width) ? before : [...before, width] }
    if (at < 0) operands.push(operand)
    else operands[at] = operand
  }
  const methods: { [K in keyof Semantics<0>]?: (...args: never[]) => unknown } = {
    X: (name: string, _: Width, plus?: 0 | 1) => note('readX', name, plus),
    setX: (name: string, _: Width, __: 0, plus?: 0 | 1) => note('writeX', name, plus),
    XSP: (name: string) => note('readXSP', name),
    setXSP: (name: string) => note('writeXSP', name),
    checkSPAlignment: (name: string) => note('readXSP', name),
    Q: (name: string, plus?: 0 | 1 | 2 | 3) => note('readQ', name, plus),
    setQ: (name: string, _: 0, plus?: 0 | 1 | 2 | 3) => note('writeQ', name, plus),
    imm: (name: string, width: Width) => noteImmediate(name, width),
    checkFPEnabled: () => { did.fp = true },
    fp: ({ bits }: FpOperation) => { if (!formats.includes(bits)) formats.push(bits) },
    fpLanes: ({ bits }: FpOperation) => { if (!formats.includes(bits)) formats.push(bits) },
    load: () => { did.loads = true },
    loadPair: () => { did.loads = true; return [0, 0] },
    store: () => { did.stores = true },
    storePair: () => { did.stores = true },
    storeExclusive: () => { did.stores = true },
    addSettingFlags: () => { did.writesFlags = true },
    subSettingFlags: () => { did.writesFlags = true },
    addWithCarrySettingFlags: () => { did.writesFlags = true },
    setFlagsLogical: () => { did.writesFlags = true },
    setNZCV: () => { did.writesFlags = true },
    carry: () => { did.readsFlags = true },
    nzcv: () => { did.readsFlags = true },
    condition: () => { did.readsFlags = true },
    PC: () => { did.readsPC = true },
    link: () => { did.readsPC = true },
    branch: (name: string) => { did.controlFlow = true; noteImmediate(name, 64) },
    branchIf: (_: 0, name: string) => { did.controlFlow = true; noteImmediate(name, 64) },
    branchTo: () => { did.controlFlow = true },
    when: (_: 0, body: () => void) => { body() },
    undefined: () => { did.controlFlow = did.system = true },
    unimplemented: () => { did.controlFlow = did.system = true },
    exception: () => { did.controlFlow = did.system = true; noteImmediate('imm16', 32) },
    exceptionReturn: () => { did.controlFlow = did.system = true },
    systemAccess: () => { did.system = true },
    writePstate: () => { did.system = true; noteImmediate('CRm', 32) },
    wait: () => { did.system = true },
    sendEvent: () => { did.system = true },
  }
  // Every other method only computes: its result is as good as any.
  const recorder = new Proxy(methods, { get: (target, name) => (...args: never[]) => target[name as keyof Semantics<0>]?.(...args) ?? 0 }) as unknown as Semantics<0>
  row.body(strictStatics(row, variant.statics), recorder)
  return { operands, formats, ...did }
}

/**
 * Values of the variant's slots for `word`, in the order of `operandsOf`: register numbers, 32-bit immediates as int32, 64-bit ones as
 * signed bigint.
 */
export function decodeOperands(variant: Variant, word: number): readonly (number | bigint)[] {
  const { row } = variant, fields = fieldsOf(row, word)
  return operandsOf(variant).map(operand => {
    if (operand.mode === 'imm') {
      const value = immediateOf(row, operand.name).of(fields)
      return operand.width === 32 ? Number(value) | 0 : BigInt.asIntN(64, BigInt(value))
    }
    return ((fixedRegister(operand.name) ?? fields[operand.name]!) + operand.plus) & 31
  })
}
