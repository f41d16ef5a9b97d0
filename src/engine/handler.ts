/**
 * Lowers the recording of an instruction variant to WebAssembly for the interpreter: operands come from the decode record, registers
 * from the hot block, flags are computed eagerly.
 */
import type { Helpers } from './helpers.ts'
import { addressOfRecord, hot, loadOperator, storeOperator, tlbEntry, valueType } from './helpers.ts'
import { CONDITION_MASKS, conditionHolds, nzcvOf } from './flags.ts'
import { ACCESS } from './callbacks.ts'
import { floatingPoint, setQC } from './floating-point.ts'
import { HOT, POOL, TLB } from './layout.ts'
import { plan } from './plan.ts'
import type { Plan } from './plan.ts'
import { impliedAddress } from './record.ts'
import type { OperandLayout, Role } from './record.ts'
import { DYNAMIC_CONDITION, LEAF, leafKind } from './recorder.ts'
import type { Access, Effect, Recording, Request } from './recorder.ts'
import { Code } from './wasm/code.ts'
import * as W from './wasm/expression.ts'
import { I32, I64, LOAD, STORE } from './wasm/expression.ts'
import type { Expression, ValueType } from './wasm/expression.ts'

const ZERO = W.i32(0)

/** Numbers by which requests name their decode-time argument to JavaScript; engine.ts has the same lists. */
export const EXCEPTION_KINDS = ['SVC', 'HVC', 'SMC', 'BRK', 'HLT'] as const
export const RETURN_KEYS = [undefined, 'IA', 'IB'] as const
export const PSTATE_FIELDS = ['SPSel', 'DAIFSet', 'DAIFClr', 'PAN', 'UAO', 'DIT', 'SSBS', 'TCO'] as const
export const WAIT_KINDS = ['WFI', 'WFE'] as const
export const BARRIER_KINDS = ['DSB', 'DMB', 'ISB', 'SB', 'CSDB', 'SSBB', 'PSSBB'] as const

const selector = (list: readonly unknown[], value: unknown): Expression => W.i32(list.indexOf(value))

/** What surrounds a handler: the dispatch loop or a function of its own. */
export interface Frame {
  /** Locals: the current decode record; the credit (interpreter.ts). */
  readonly record: Expression
  readonly credit: Expression
  /** Leaves the instruction after a callback has redirected. */
  abandon(): void
  /** JavaScript has performed the whole instruction. */
  completed(): void
  /** A taken branch to the record at `distance` bytes from this one. */
  branchNear(distance: Expression): void
  /** A taken branch to an address. */
  branchFar(target: Expression): void
}

export interface HandlerOptions {
  /** Barriers other than ISB are told to JavaScript, too. */
  readonly barriers: boolean
}

export class HandlerCode extends Code {
  private readonly helpers: Helpers
  private readonly options: HandlerOptions
  private frame!: Frame
  private layout!: OperandLayout
  private plan: Plan = { shared: new Set(), before: new Map() }
  /** Locals that hold values of the current handler. */
  private readonly values = new Map<Expression, Expression>()
  private readonly results = new Map<number, Expression[]>()
  private effectNumber = 0
  /** NZCV where it is still in a local. */
  private knownFlags: Expression | undefined
  private near = false

  constructor(parameterCount: number, helpers: Helpers, options: HandlerOptions) {
    super(parameterCount)
    this.helpers = helpers
    this.options = options
  }

  /**
   * Writes the code of one variant. `near`: branch immediates are distances within the page. `behind`: the code of another instruction,
   * which has set the flags, stands directly before.
   */
  handler(recording: Recording, layout: OperandLayout, frame: Frame, near: boolean, behind = false): void {
    this.layout = layout
    this.frame = frame
    this.near = near
    this.plan = plan(recording)
    this.values.clear()
    this.results.clear()
    if (!behind) {
      this.releaseTemporaries()
      this.knownFlags = undefined
    }
    this.effectNumber = 0
    this.effects(recording.effects)
  }

  /** `e` as something that can be evaluated twice. */
  private reusable(e: Expression): Expression {
    if (W.isConstant(e)) return e
    const known = this.values.get(e)
    if (known !== undefined) return known
    this.compute(e)
    const local = this.temporary(e.type)
    this.setStack(local)
    this.values.set(e, local)
    return local
  }

  private compute(e: Expression): void {
    if (leafKind(e) !== undefined) this.leaf(e)
    else super.expression(e)
  }

  override expression(e: Expression): void {
    const known = this.values.get(e)
    if (known !== undefined) {
      super.expression(known)
      return
    }
    this.compute(e)
    if (this.plan.shared.has(e) && leafKind(e) !== LEAF.RESULT) {
      const local = this.temporary(e.type)
      this.tee(local)
      this.values.set(e, local)
    }
  }

  private flags(): Expression {
    return this.knownFlags ?? hot(HOT.NZCV)
  }

  // --- operands

  private operand(offset: number, op: number = LOAD.i32_16u): Expression {
    return W.load(op, this.frame.record, offset)
  }

  /** Address of a register in the hot block. */
  private registerAddress(role: Role, field: string, plus = 0): Expression {
    const implied = impliedAddress(field)
    return implied !== undefined ? W.i32(implied) : this.operand(this.layout.register(role, field, plus))
  }

  private immediate(name: string, type: ValueType): Expression {
    const operand = this.layout.immediate(name)
    if (operand.kind === 'pooled') {
      const address = W.shl(this.operand(operand.offset), W.i32(3))
      return W.load(type === I64 ? LOAD.i64 : LOAD.i32, address, POOL)
    }
    if (operand.kind === 'halfword') return this.operand(operand.offset, type === I32 ? LOAD.i32_16s : LOAD.i64_16s)
    if (type === I32) return this.operand(operand.offset, LOAD.i32)
    return this.operand(operand.offset, operand.kind === 'word' ? LOAD.i64_32s : LOAD.i64)
  }

  private leaf(e: Expression): void {
    const width = e.type === I64 ? LOAD.i64 : LOAD.i32
    switch (leafKind(e)!) {
      case LEAF.X: return super.expression(W.load(width, this.registerAddress('source', e.name, e.low)))
      case LEAF.XSP: return super.expression(W.load(width, this.registerAddress('stack', e.name)))
      case LEAF.Q: return super.expression(W.load(LOAD.v128, this.registerAddress('vector', e.name, e.low)))
      case LEAF.IMMEDIATE: return super.expression(this.immediate(e.name, e.type))
      case LEAF.PC: return super.expression(addressOfRecord(this.frame.record))
      case LEAF.NZCV: return super.expression(this.flags())
      case LEAF.CARRY: return super.expression(W.and(W.shrU(this.flags(), W.i32(1)), W.i32(1)))
      case LEAF.CONDITION: {
        const mask = e.low === DYNAMIC_CONDITION ? this.operand(this.layout.condition()) : W.i32(CONDITION_MASKS[e.low]!)
        return super.expression(conditionHolds(mask, this.flags()))
      }
      case LEAF.RESULT: return super.expression(this.results.get(e.low)![e.name === 'second' ? 1 : 0]!)
      case LEAF.HELPER: return this.expression(W.call(this.helpers[e.name as 'crc32' | 'crc32c' | 'carrylessMultiply'], e.type, ...e.operands))
    }
  }

  // --- effects

  private effects(effects: readonly Effect[]): void {
    for (const effect of effects) {
      const number = this.effectNumber++
      for (const e of this.plan.before.get(number) ?? []) this.reusable(e)
      this.effect(effect, number)
    }
  }

  private effect(effect: Effect, number: number): void {
    const { frame, helpers } = this
    switch (effect.kind) {
      case 'setX': return this.store(STORE.i64, this.registerAddress('destination', effect.field, effect.plus), effect.value)
      case 'setXSP': return this.store(STORE.i64, this.registerAddress('stack', effect.field), effect.value)
      case 'setQ': return this.store(STORE.v128, this.registerAddress('vector', effect.field, effect.plus), effect.value)
      case 'flags': {
        const a = this.reusable(effect.a), b = this.reusable(effect.b), carry = this.reusable(effect.carry)
        const result = effect.operation === 'set' ? a : this.reusable(effect.result)
        const flags = this.temporary(I32)
        this.set(flags, nzcvOf(effect.operation, a, b, carry, result))
        this.knownFlags = flags
        return this.store(STORE.i32, ZERO, flags, HOT.NZCV)
      }
      case 'load': return this.load(effect.access, number)
      case 'store': return this.storeTo(effect.access, effect.value)
      case 'loadPair': return this.loadPair(effect.access, number)
      case 'storePair': return this.storePair(effect.access, effect.value, effect.second)
      case 'checkFP':
        return this.if(hot(HOT.FP_TRAP), () => {
          this.callVoid(helpers.fpTrap, frame.record, frame.credit)
          this.afterCallback()
          frame.abandon()
        })
      case 'setExclusive':
        this.callVoid(helpers.setExclusive, effect.address, W.i32(effect.size), frame.record, frame.credit)
        return this.afterCallback()
      case 'clearExclusive': return this.store(STORE.i32, ZERO, ZERO, HOT.EXCLUSIVE_ADDRESS)
      case 'storeExclusive': return this.storeExclusive(effect, number)
      case 'branch': return this.branchEffect(effect.field, effect.condition)
      case 'branchTo': return frame.branchFar(effect.target)
      case 'link': return this.store(STORE.i64, ZERO, W.add(addressOfRecord(frame.record), W.i64(4)), HOT.X + 30 * 8)
      case 'when': {
        this.if(effect.condition, () => this.effects(effect.body))
        this.knownFlags = undefined
        return
      }
      case 'fp': {
        const result = this.temporary(effect.result.type)
        this.results.set(number, [result])
        return floatingPoint(this, helpers, effect.operation, effect.operands, result)
      }
      case 'setQC': return setQC(this, effect.condition)
      case 'fallback':
        return this.if(effect.condition, () => {
          this.callVoid(helpers.spill, frame.record, frame.credit)
          this.request(effect.request, effect.operands, undefined, number, () => this.afterCallback())
          frame.completed()
        })
      case 'poke': return this.store(effect.op, effect.address, effect.value, effect.offset)
      case 'request': return this.request(effect.request, effect.operands, effect.result, number)
    }
  }

  private branchEffect(field: string, condition: Expression | undefined): void {
    const { frame } = this
    const taken = (): void => {
      const offset = this.layout.distance(field)
      if (this.near) frame.branchNear(this.operand(offset, LOAD.i32))
      else frame.branchFar(W.add(addressOfRecord(frame.record), this.operand(offset, LOAD.i64_32s)))
    }
    if (condition === undefined) taken()
    else this.if(condition, taken)
  }

  /** JavaScript may have run: it may have shortened the run or redirected. */
  private afterCallback(): void {
    this.set(this.frame.credit, hot(HOT.CREDIT))
  }

  private abandonIfRedirected(): void {
    this.afterCallback()
    this.if(hot(HOT.REDIRECT), () => this.frame.abandon())
  }

  // --- memory

  private tlbPointer(flags: number): Expression {
    return hot((flags & ACCESS.UNPRIVILEGED) !== 0 ? HOT.UNPRIVILEGED_TLB : HOT.DATA_TLB)
  }

  /** SP's misalignment when the base register is SP and alignment is checked, else 0. */
  private guard(access: Access): Expression | undefined {
    if (access.guard === undefined) return undefined
    const field = access.guard.name
    const implied = impliedAddress(field)
    const mask = W.load(LOAD.i64, implied !== undefined ? W.i32(implied) : this.operand(this.layout.register('stack', field, 0)), HOT.SP_MASK - HOT.X)
    return W.and(access.guard, mask)
  }

  /** Flags for the slow path. */
  private slowFlags(access: Access, guard: Expression | undefined): Expression {
    if (guard === undefined) return W.i32(access.flags)
    return W.or(W.i32(access.flags), W.shl(W.ne(guard, W.i64(0)), W.i32(Math.log2(ACCESS.SP_MISALIGNED))))
  }

  /**
   * Runs `hit` with the address in RAM when the TLB has the page and the access is aligned, else `miss`. `bytes` is what is accessed,
   * `alignment` what must be aligned.
   */
  private access(access: Access, bytes: number, alignment: number, part: number, hit: (ram: Expression) => void, miss: (address: Expression, flags: Expression) => void): void {
    const address = this.reusable(access.address)
    const guard = access.guard === undefined ? undefined : this.reusable(this.guard(access)!)
    const entry = this.temporary(I32)
    this.set(entry, tlbEntry(this.tlbPointer(access.flags), address, TLB.DATA_ENTRIES))
    // The low bits of a tag are 0: what is misaligned has a bit left over.
    let tag = W.and(address, W.i64(-4096 | (alignment - 1)))
    // A pair may run over the end of the page: the page of the last byte counts, and the low bits of the first.
    if (bytes > alignment) tag = W.or(W.and(W.add(address, W.i64(bytes - alignment)), W.i64(-4096)), W.and(address, W.i64(alignment - 1)))
    if (guard !== undefined) tag = W.or(tag, guard)
    this.if(W.eq(W.load(LOAD.i64, entry, part), tag),
      () => hit(W.add(W.wrap(address), W.load(LOAD.i32, entry, part + 8))),
      () => miss(address, this.slowFlags(access, guard)))
  }

  private load(access: Access, number: number): void {
    const { frame, helpers } = this
    const { size } = access
    const result = this.temporary(valueType(size))
    this.results.set(number, [result])
    const part = (access.flags & ACCESS.FOR_UPDATE) !== 0 ? TLB.WRITE : TLB.READ
    this.access(access, size, size, part,
      ram => this.set(result, W.load(loadOperator(size), ram)),
      (address, flags) => {
        this.set(result, W.call(helpers.read[size]!, valueType(size), address, flags, frame.record, frame.credit))
        this.abandonIfRedirected()
      })
  }

  private storeTo(access: Access, value: Expression): void {
    const { frame, helpers } = this
    const { size } = access
    const data = this.reusable(value)
    this.access(access, size, size, TLB.WRITE,
      ram => this.store(storeOperator(size), ram, data),
      (address, flags) => {
        this.callVoid(helpers.write[size]!, address, data, flags, frame.record, frame.credit)
        this.abandonIfRedirected()
      })
  }

  private loadPair(access: Access, number: number): void {
    const { frame, helpers } = this
    const { size } = access
    const first = this.temporary(I64), second = this.temporary(I64)
    this.results.set(number, [first, second])
    this.access(access, 2 * size, size, TLB.READ,
      ram => {
        const at = this.temporary(I32)
        this.set(at, ram)
        this.set(first, W.load(loadOperator(size), at))
        this.set(second, W.load(loadOperator(size), at, size))
      },
      (address, flags) => {
        this.set(first, W.call(helpers.read[size]!, I64, address, flags, frame.record, frame.credit))
        this.abandonIfRedirected()
        this.set(second, W.call(helpers.read[size]!, I64, W.add(address, W.i64(size)), flags, frame.record, frame.credit))
        this.abandonIfRedirected()
      })
  }

  private storePair(access: Access, value: Expression, other: Expression): void {
    const { frame, helpers } = this
    const { size } = access
    const first = this.reusable(value), second = this.reusable(other)
    this.access(access, 2 * size, size, TLB.WRITE,
      ram => {
        const at = this.temporary(I32)
        this.set(at, ram)
        this.store(storeOperator(size), at, first)
        this.store(storeOperator(size), at, second, size)
      },
      (address, flags) => {
        this.callVoid(helpers.write[size]!, address, first, flags, frame.record, frame.credit)
        this.abandonIfRedirected()
        this.callVoid(helpers.write[size]!, W.add(address, W.i64(size)), second, flags, frame.record, frame.credit)
        this.abandonIfRedirected()
      })
  }

  private storeExclusive(effect: Extract<Effect, { kind: 'storeExclusive' }>, number: number): void {
    const { frame, helpers } = this
    const { access } = effect
    const result = this.temporary(I32)
    this.results.set(number, [result])
    const guard = access.guard === undefined ? undefined : this.reusable(this.guard(access)!)
    this.set(result, W.call(helpers.storeExclusive, I32, access.address, effect.value, effect.high ?? W.i64(0), W.i32(access.size),
      this.slowFlags(access, guard), frame.record, frame.credit))
    this.abandonIfRedirected()
  }

  // --- requests to JavaScript; the caller of a rare handler has spilled already

  private request(request: Request, operands: readonly Expression[], resultLeaf: Expression | undefined, number: number, after = (): void => {}): void {
    const index = this.helpers.imports[request.name]!
    const args: Expression[] = []
    switch (request.name) {
      case 'undefined': case 'unimplemented': case 'system': case 'marker': case 'pauthTrap': break
      case 'exception': args.push(selector(EXCEPTION_KINDS, request.kind)); break
      case 'exceptionReturn': args.push(selector(RETURN_KEYS, request.key)); break
      case 'writePstate': args.push(selector(PSTATE_FIELDS, request.field)); break
      case 'wait': args.push(selector(WAIT_KINDS, request.kind)); break
      case 'sendEvent': args.push(W.i32(request.local ? 1 : 0)); break
      case 'barrier':
        if (request.kind !== 'ISB' || this.options.barriers) this.callVoid(index, selector(BARRIER_KINDS, request.kind))
        // A context synchronisation event: what was fetched before it is fetched again.
        if (request.kind === 'ISB') this.frame.branchFar(W.add(addressOfRecord(this.frame.record), W.i64(4)))
        return
    }
    args.push(...operands)
    if (resultLeaf === undefined) {
      this.callVoid(index, ...args)
    } else {
      const result = this.temporary(resultLeaf.type)
      this.results.set(number, [result])
      this.set(result, W.call(index, resultLeaf.type, ...args))
    }
    after()
    this.if(hot(HOT.REDIRECT), () => this.frame.abandon())
  }
}

/** Whether a barrier does anything: others are dropped from the recording. */
export const barrierMatters = (request: Request, options: HandlerOptions): boolean =>
  request.name !== 'barrier' || request.kind === 'ISB' || options.barriers

