/**
 * Decode records: 16 bytes per instruction. Bytes 0 and 1 are the handler's number; the rest holds the operands of the handler in a
 * layout of its own: 16-bit addresses of registers, condition masks, 32-bit immediates, and 64-bit immediates where they fit (else the
 * index of a constant in the pool).
 */
import type { Row } from '../isa/instruction.ts'
import { CONDITION_MASKS } from './flags.ts'
import { HOT, RECORDS } from './layout.ts'
import { DYNAMIC_CONDITION, LEAF, leafKind, operandsOf } from './recorder.ts'
import type { Effect, Recording } from './recorder.ts'
import type { Expression } from './wasm/expression.ts'

/** How a register field reaches the hot block: 31 is zero as a source, discarded as a destination, SP, or a vector. */
export type Role = 'source' | 'destination' | 'stack' | 'vector'

export type Operand =
  | { readonly kind: Role, readonly field: string, readonly plus: number, readonly offset: number }
  | { readonly kind: 'condition', readonly offset: number }
  /** A 32-bit immediate; one that has only 16 bits of room (small numbers); a 64-bit one; one in the pool (`offset` holds its index). */
  | { readonly kind: 'word' | 'halfword' | 'doubleword' | 'pooled', readonly name: string, readonly offset: number }
  /** Distance of a branch within the page, in bytes of records. */
  | { readonly kind: 'distance', readonly name: string, readonly offset: number }

type Wanted = Operand extends infer O ? O extends { readonly offset: number } ? Omit<O, 'offset'> : never : never

/** Registers that some instructions imply have no field. */
const IMPLIED: Readonly<Record<string, number>> = { X16: HOT.X + 16 * 8, X17: HOT.X + 17 * 8, X30: HOT.X + 30 * 8, SP: HOT.SP }
export const impliedAddress = (name: string): number | undefined => IMPLIED[name]

const keyOf = (o: Wanted): string => 'field' in o ? `${o.kind} ${o.field} ${o.plus}` : 'name' in o ? `imm ${o.name}` : o.kind

export class OperandLayout {
  private readonly byKey = new Map<string, Operand>()
  readonly operands: readonly Operand[]

  /** `near`: branch immediates are distances within the page. */
  constructor(row: Row, recording: Recording, near: boolean) {
    const wanted = new Map<string, Wanted>()
    const want = (o: Wanted): void => { if (!wanted.has(keyOf(o))) wanted.set(keyOf(o), o) }
    const seen = new Set<Expression>()
    const visit = (e: Expression): void => {
      if (seen.has(e)) return
      seen.add(e)
      for (const operand of e.operands) visit(operand)
      switch (leafKind(e)) {
        case LEAF.X: if (IMPLIED[e.name] === undefined) want({ kind: 'source', field: e.name, plus: e.low }); break
        case LEAF.XSP: if (IMPLIED[e.name] === undefined) want({ kind: 'stack', field: e.name, plus: 0 }); break
        case LEAF.Q: want({ kind: 'vector', field: e.name, plus: e.low }); break
        case LEAF.CONDITION: if (e.low === DYNAMIC_CONDITION) want({ kind: 'condition' }); break
        case LEAF.IMMEDIATE: want({ kind: row.immediates[e.name]?.width === 64 ? 'doubleword' : 'word', name: e.name }); break
        default:
      }
    }
    const walk = (effects: readonly Effect[]): void => {
      for (const effect of effects) {
        operandsOf(effect).forEach(visit)
        if (effect.kind === 'setX' && IMPLIED[effect.field] === undefined) want({ kind: 'destination', field: effect.field, plus: effect.plus })
        if (effect.kind === 'setXSP' && IMPLIED[effect.field] === undefined) want({ kind: 'stack', field: effect.field, plus: 0 })
        if (effect.kind === 'setQ') want({ kind: 'vector', field: effect.field, plus: effect.plus })
        if (effect.kind === 'branch') want({ kind: near ? 'distance' : 'word', name: effect.field })
        if (effect.kind === 'when') walk(effect.body)
      }
    }
    walk(recording.effects)
    this.operands = this.place(row.name, [...wanted.values()])
  }

  private place(name: string, wanted: readonly Wanted[]): readonly Operand[] {
    const taken = Array.from({ length: RECORDS.SIZE / 2 }, () => false)
    taken[0] = true
    const placed: Operand[] = []
    /** Takes `units` aligned 16-bit units, the first free ones. */
    const take = (units: number): number | undefined => {
      for (let at = 0; at < taken.length; at += units) {
        if (taken.slice(at, at + units).some(t => t)) continue
        taken.fill(true, at, at + units)
        return at * 2
      }
      return undefined
    }
    const put = (o: Wanted, offset: number | undefined): void => {
      if (offset === undefined) throw new Error(`${name}: the operands do not fit into a decode record`)
      const operand = { ...o, offset } as Operand
      placed.push(operand)
      this.byKey.set(keyOf(o), operand)
    }
    const isWide = (o: Wanted): boolean => o.kind === 'doubleword'
    const isWord = (o: Wanted): boolean => o.kind === 'word' || o.kind === 'distance'
    for (const o of wanted) if (!isWide(o) && !isWord(o)) put(o, take(1))
    for (const o of wanted) {
      if (!isWord(o)) continue
      const offset = take(2)
      if (offset !== undefined || o.kind === 'distance') put(o, offset)
      else put({ kind: 'halfword', name: (o as { readonly name: string }).name }, take(1))
    }
    for (const o of wanted) {
      if (!isWide(o)) continue
      const offset = take(4)
      if (offset !== undefined) put(o, offset)
      else put({ kind: 'pooled', name: (o as { readonly name: string }).name }, take(1))
    }
    return placed
  }

  private at(o: Wanted): Operand { return this.byKey.get(keyOf(o))! }

  register(kind: Role, field: string, plus: number): number { return this.at({ kind, field, plus }).offset }
  condition(): number { return this.at({ kind: 'condition' }).offset }
  immediate(name: string): Operand { return this.at({ kind: 'word', name }) }
  distance(name: string): number { return this.at({ kind: 'word', name }).offset }
}

interface RegisterSlot { readonly offset: number, readonly lsb: number, readonly mask: number, readonly plus: number, readonly base: number, readonly stride: number, readonly at31: number }

/** Writes the operands of one instruction into records, for one variant. No allocation but for 64-bit immediates. */
export class RecordWriter {
  private readonly registers: RegisterSlot[] = []
  private readonly others: Operand[] = []
  private readonly row: Row
  /** Field values of the word at hand, in the form that `Immediate.of` takes. */
  private readonly fields: Record<string, number> = {}

  constructor(row: Row, operands: readonly Operand[]) {
    this.row = row
    for (const field of row.fields) this.fields[field.name] = 0
    for (const operand of operands) {
      if (!('field' in operand)) {
        this.others.push(operand)
        continue
      }
      const field = row.fields.find(f => f.name === operand.field)
      if (field === undefined) throw new Error(`${row.name}: no field ${operand.field}`)
      const vector = operand.kind === 'vector'
      const at31 = vector ? HOT.V + 31 * 16 : operand.kind === 'source' ? HOT.ZERO : operand.kind === 'destination' ? HOT.DUMMY : HOT.SP
      this.registers.push({ offset: operand.offset, lsb: field.lsb, mask: (1 << field.width) - 1, plus: operand.plus, base: vector ? HOT.V : HOT.X, stride: vector ? 16 : 8, at31 })
    }
  }

  /** Value of an immediate in `word`. */
  immediate(name: string, word: number): number | bigint {
    const { fields, row } = this
    for (const { name: field, lsb, width } of row.fields) fields[field] = width === 32 ? word >>> 0 : (word >>> lsb) & ((1 << width) - 1)
    return row.immediates[name]!.of(fields)
  }

  /** `pool` returns the index of a 64-bit constant. */
  write(view: DataView, record: number, word: number, pool: (value: bigint) => number): void {
    for (const r of this.registers) {
      const n = (((word >>> r.lsb) & r.mask) + r.plus) & 31
      view.setUint16(record + r.offset, n === 31 ? r.at31 : r.base + n * r.stride, true)
    }
    for (const o of this.others) this.writeOther(o, view, record, word, pool)
  }

  private writeOther(o: Operand, view: DataView, record: number, word: number, pool: (value: bigint) => number): void {
    if (o.kind === 'condition') {
      const { lsb } = this.row.fields.find(field => field.name === 'cond')!
      view.setUint16(record + o.offset, CONDITION_MASKS[(word >>> lsb) & 15]!, true)
      return
    }
    if (!('name' in o)) return
    const value = this.immediate(o.name, word)
    if (o.kind === 'halfword') {
      if (Number(value) !== (Number(value) << 16) >> 16) throw new Error(`${this.row.name}: ${o.name} = ${value} does not fit 16 bits of a decode record`)
      view.setInt16(record + o.offset, Number(value), true)
    } else if (o.kind === 'word') view.setInt32(record + o.offset, Number(value), true)
    else if (o.kind === 'distance') view.setInt32(record + o.offset, Number(value) * (RECORDS.SIZE / 4), true)
    else if (o.kind === 'doubleword') view.setBigInt64(record + o.offset, BigInt.asIntN(64, BigInt(value)), true)
    else view.setUint16(record + o.offset, pool(BigInt.asUintN(64, BigInt(value))), true)
  }
}
