/** The body of a function: expressions and structured control flow, written straight into bytes. */
import { Bytes } from './bytes.ts'
import { ABSTRACT, I32, LOAD, STORE, isLoad, local, simdOp } from './expression.ts'
import type { Expression, ValueType } from './expression.ts'

/** Nesting depth of a block: what `branch` goes to. */
export type Label = number

const VOID = 0x40
const OP = { block: 0x02, loop: 0x03, if: 0x04, else: 0x05, end: 0x0b, br: 0x0c, brIf: 0x0d, brTable: 0x0e, return: 0x0f, call: 0x10, callIndirect: 0x11, drop: 0x1a, localSet: 0x21, localTee: 0x22 } as const

/** Alignment hint (log2) of a memory operator: 0 is always valid, and engines do not need the hint. */
const ALIGN = 0

export class Code {
  readonly out: Bytes
  private depth = 0
  /** Types of the locals after the parameters. */
  readonly locals: ValueType[] = []
  private readonly parameterCount: number
  private readonly pools = new Map<ValueType, Expression[]>()
  private readonly inUse = new Map<ValueType, number>()

  constructor(parameterCount = 0, out = new Bytes()) {
    this.parameterCount = parameterCount
    this.out = out
  }

  newLocal(type: ValueType): Expression {
    this.locals.push(type)
    return local(this.parameterCount + this.locals.length - 1, type)
  }

  /** A local that nobody uses until `releaseTemporaries`: a new one, or one of before. */
  temporary(type: ValueType): Expression {
    const pool = this.pools.get(type) ?? []
    this.pools.set(type, pool)
    const index = this.inUse.get(type) ?? 0
    this.inUse.set(type, index + 1)
    return pool[index] ??= this.newLocal(type)
  }

  releaseTemporaries(): void { this.inUse.clear() }

  /** Nesting depth, for code that is written elsewhere and appended. */
  get nesting(): number { return this.depth }
  set nesting(depth: number) { this.depth = depth }

  /** Writes `e`. Abstract leaves are for subclasses. */
  expression(e: Expression): void {
    for (const operand of e.operands) this.expression(operand)
    this.operator(e)
  }

  /** Writes the operator of `e`, whose operands are on the stack. */
  operator(e: Expression): void {
    const { out } = this
    const op = e.op
    if (op >= ABSTRACT) throw new Error(`expression '${e.name}' has no meaning here`)
    if (op > 0xff) {
      out.byte(op >> 12).u32(op & 0xfff)
      const sub = op & 0xfff
      if (e.bytes !== undefined) out.append(e.bytes)
      else if (op === LOAD.v128) out.u32(ALIGN).u32(e.low)
      else if ((op >> 12) === 0xfd && sub >= 0x15 && sub <= 0x22) out.byte(e.low)
      return
    }
    out.byte(op)
    if (op === 0x41) out.s32(e.low)
    else if (op === 0x42) out.s64(e.high, e.low)
    else if (op === 0x20 || op === OP.call) out.u32(e.low)
    else if (isLoad(op)) out.u32(ALIGN).u32(e.low)
  }

  set(target: Expression, value: Expression): void {
    this.expression(value)
    this.out.byte(OP.localSet).u32(target.low)
  }

  /** Sets a local to the value on the stack. */
  setStack(target: Expression): void {
    this.out.byte(OP.localSet).u32(target.low)
  }

  tee(target: Expression): void {
    this.out.byte(OP.localTee).u32(target.low)
  }

  store(op: number, address: Expression, value: Expression, offset = 0): void {
    this.expression(address)
    this.expression(value)
    if (op === STORE.v128) this.out.byte(0xfd).u32(simdOp(0x0b) & 0xfff)
    else this.out.byte(op)
    this.out.u32(ALIGN).u32(offset)
  }

  /** Evaluates and drops a value. */
  drop(e: Expression): void {
    this.expression(e)
    this.out.byte(OP.drop)
  }

  /** Calls a function without result. */
  callVoid(index: number, ...args: Expression[]): void {
    for (const argument of args) this.expression(argument)
    this.out.byte(OP.call).u32(index)
  }

  /** Calls through table 0; the result, if any, stays on the stack. */
  callIndirect(type: number, index: Expression, ...args: Expression[]): void {
    for (const argument of args) this.expression(argument)
    this.expression(index)
    this.out.byte(OP.callIndirect).u32(type).byte(0)
  }

  block(): Label {
    this.out.byte(OP.block).byte(VOID)
    return ++this.depth
  }

  loop(): Label {
    this.out.byte(OP.loop).byte(VOID)
    return ++this.depth
  }

  end(): void {
    this.out.byte(OP.end)
    this.depth--
  }

  if(condition: Expression, then: () => void, otherwise?: () => void): void {
    this.expression(condition)
    this.ifStack(then, otherwise)
  }

  /** As `if`, with the condition on the stack. */
  ifStack(then: () => void, otherwise?: () => void): void {
    this.out.byte(OP.if).byte(VOID)
    this.depth++
    then()
    if (otherwise !== undefined) {
      this.out.byte(OP.else)
      otherwise()
    }
    this.end()
  }

  branch(label: Label): void {
    this.out.byte(OP.br).u32(this.depth - label)
  }

  branchIf(label: Label, condition: Expression): void {
    this.expression(condition)
    this.out.byte(OP.brIf).u32(this.depth - label)
  }

  branchTable(labels: readonly Label[], otherwise: Label, index: Expression): void {
    this.expression(index)
    this.out.byte(OP.brTable).u32(labels.length)
    for (const label of labels) this.out.u32(this.depth - label)
    this.out.u32(this.depth - otherwise)
  }

  return(value?: Expression): void {
    if (value !== undefined) this.expression(value)
    this.out.byte(OP.return)
  }

  unreachable(): void {
    this.out.byte(0x00)
  }

  /** Locals and code as a function body of the code section. */
  body(): Bytes {
    const groups: [number, ValueType][] = []
    for (const type of this.locals) {
      const last = groups[groups.length - 1]
      if (last !== undefined && last[1] === type) last[0]++
      else groups.push([1, type])
    }
    const body = new Bytes(this.out.length + 16)
    body.u32(groups.length)
    for (const [count, type] of groups) body.u32(count).byte(type)
    return body.append(this.out.view()).byte(OP.end)
  }
}

export const parameter = (index: number, type: ValueType = I32): Expression => local(index, type)
