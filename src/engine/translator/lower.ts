/**
 * Writes the function of a region. It takes the credit (interpreter.ts) and returns where the interpreter goes on: the address of a
 * decode record plus one of EXIT, or 0 with the address in HOT.PC. General registers and flags are in locals, loaded at the start and
 * stored in one place at the end; vector registers stay in memory.
 *
 * Nothing in a region calls what could look at the state or change it: an instruction that would is completed by the interpreter.
 */
import { ACCESS } from '../callbacks.ts'
import { nzcvOf } from '../flags.ts'
import { floatingPoint, setQC } from '../floating-point.ts'
import { hot, loadOperator, storeOperator, tlbEntry, valueType } from '../helpers.ts'
import type { Helpers } from '../helpers.ts'
import { HOT, RECORDS, TLB } from '../layout.ts'
import { LEAF, leafKind } from '../recorder.ts'
import type { Access, Effect } from '../recorder.ts'
import { Code, parameter } from '../wasm/code.ts'
import type { Label } from '../wasm/code.ts'
import * as W from '../wasm/expression.ts'
import { I32, I64, LOAD, STORE } from '../wasm/expression.ts'
import type { Expression } from '../wasm/expression.ts'
import { EXIT } from './exit.ts'
import { immediateOf } from './instruction.ts'
import type { Instruction } from './instruction.ts'
import { PACKED, carryOf, conditionOf, isLazy, packedCondition, packedOf, producerNumber, producerOf } from './lazy-flags.ts'
import type { Producer } from './lazy-flags.ts'
import { PAGE_INSTRUCTIONS } from './region.ts'
import type { Block, Region } from './region.ts'
import type { Structure } from './structure.ts'

const ZERO = W.i32(0)
const SP = 31
const IMPLIED: Readonly<Record<string, number>> = { X16: 16, X17: 17, X30: 30, SP }

/** What is known of the flags at a place in the code. */
type Flags = Producer | 'packed' | 'unknown'

const isLocal = (e: Expression): boolean => e.op === 0x20
/** Wasm operators with constructors that simplify, by opcode. */
const SIMPLIFY: ReadonlyMap<number, (a: Expression, b: Expression) => Expression> = new Map([
  [0x6a, W.add], [0x7c, W.add], [0x6b, W.sub], [0x7d, W.sub], [0x71, W.and], [0x83, W.and], [0x72, W.or], [0x84, W.or], [0x73, W.xor], [0x85, W.xor],
  [0x74, W.shl], [0x86, W.shl], [0x75, W.shrS], [0x87, W.shrS], [0x76, W.shrU], [0x88, W.shrU], [0x78, W.rotr], [0x8a, W.rotr],
  [0xa7, W.wrap], [0xac, W.extendS], [0xad, W.extendU],
])

export class RegionCode extends Code {
  private readonly helpers: Helpers
  private readonly region: Region
  private readonly structure: Structure
  private readonly records: number
  private readonly credit = parameter(0)
  private readonly exit: Expression
  private readonly registers: (Expression | undefined)[] = []
  private readonly written = new Set<number>()
  private readonly once = new Map<string, { readonly local: Expression, readonly value: Expression }>()
  private readonly flagNumbers = new Set<number>()
  private readonly flagNumber: Expression
  private readonly flagA: Expression
  private readonly flagB: Expression
  private readonly packed: Expression
  private flags: Flags = 'packed'
  private fpChecked = false
  private epilogue: Label = 0
  private readonly labels = new Map<number, Label>()

  // The instruction at hand.
  private instruction!: Instruction
  private at = 0
  private values = new Map<Expression, Expression>()
  private readonly results = new Map<number, readonly Expression[]>()
  private effectNumber = 0
  /** Address in RAM of the last access. */
  private accessed!: Expression
  /** Registers that the instruction writes: an old value that is needed twice is copied. */
  private readonly overwrites = new Set<number>()

  /** `records`: address of the page's decode records. */
  constructor(region: Region, structure: Structure, records: number, helpers: Helpers) {
    super(1)
    this.region = region
    this.structure = structure
    this.records = records
    this.helpers = helpers
    this.exit = this.newLocal(I32)
    this.flagNumber = this.newLocal(I32)
    this.flagA = this.newLocal(I64)
    this.flagB = this.newLocal(I64)
    this.packed = this.newLocal(I32)
    for (const block of region.blocks.values()) for (const { shape } of block.instructions) this.noteFlags(shape.recording.effects)
    this.write()
  }

  private noteFlags(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind !== 'flags') continue
      this.flagNumbers.add(isLazy(effect.operation) ? producerNumber(effect.operation, effect.width) : PACKED)
    }
  }

  private write(): void {
    this.epilogue = this.block()
    this.tree(this.region.entry, 'packed')
    this.end()
    this.leave()
    // What has to be loaded at the start is known only now.
    const body = this.out.toBytes()
    this.out.length = 0
    this.set(this.packed, hot(HOT.NZCV))
    this.registers.forEach((register, n) => { if (register !== undefined) this.set(register, hot(HOT.X + 8 * n, LOAD.i64)) })
    for (const { local, value } of this.once.values()) this.set(local, value)
    this.out.append(body)
  }

  private leave(): void {
    for (const n of this.written) this.store(STORE.i64, ZERO, this.registers[n]!, HOT.X + 8 * n)
    if (this.flagNumbers.size > 0) {
      this.pack()
      this.store(STORE.i32, ZERO, this.packed, HOT.NZCV)
    }
    this.store(STORE.i32, ZERO, this.credit, HOT.CREDIT)
    this.expression(this.exit)
  }

  /** A value that stays the same while the region runs. */
  private constantly(name: string, value: () => Expression): Expression {
    let known = this.once.get(name)
    if (known === undefined) {
      const v = value()
      this.once.set(name, known = { local: this.newLocal(v.type), value: v })
    }
    return known.local
  }
  private pageVa(): Expression { return this.constantly('page', () => hot(HOT.PAGE_VA, LOAD.i64)) }

  // --- control flow

  private tree(block: number, flags: Flags): void {
    const { structure } = this
    const isHeader = structure.headers.has(block)
    if (isHeader) this.labels.set(block, this.loop())
    // The last one is outermost: code before it jumps over the others.
    const merges = structure.children.get(block)!.filter(child => structure.merges.has(child))
    this.within(block, merges, merges.length - 1, isHeader || structure.merges.has(block) ? 'unknown' : flags)
    if (isHeader) this.end()
  }

  private within(block: number, merges: readonly number[], i: number, flags: Flags): void {
    if (i < 0) {
      this.flags = flags
      this.blockCode(this.region.blocks.get(block)!)
      return
    }
    const merge = merges[i]!
    this.labels.set(merge, this.block())
    this.within(block, merges, i - 1, flags)
    this.end()
    this.tree(merge, 'unknown')
  }

  /** Goes on at a block of the region, with `credit` as it is to be there. */
  private goTo(from: number, to: number): void {
    const { structure } = this
    const isBack = structure.order.get(to)! <= structure.order.get(from)!
    if (isBack || structure.merges.has(to)) {
      this.branch(this.labels.get(to)!)
      return
    }
    const { flags, fpChecked, instruction, at } = this
    this.tree(to, flags)
    this.flags = flags
    this.fpChecked = fpChecked
    this.instruction = instruction
    this.at = at
  }

  private recordAt(at: number): number { return this.records + at * RECORDS.SIZE }

  private exitAt(at: number, kind: number): void {
    this.set(this.exit, W.i32(this.recordAt(at) | kind))
    this.branch(this.epilogue)
  }

  private exitFar(target: Expression): void {
    this.store(STORE.i64, ZERO, target, HOT.PC)
    this.set(this.credit, W.sub(this.credit, W.i32(this.recordAt(this.at) + RECORDS.SIZE)))
    this.set(this.exit, ZERO)
    this.branch(this.epilogue)
  }

  /** A taken branch from the current instruction. */
  private take(block: number, to: number): void {
    if (to < 0 || to >= PAGE_INSTRUCTIONS) {
      this.exitFar(this.address(to))
      return
    }
    this.set(this.credit, W.add(this.credit, W.i32((to - this.at - 1) * RECORDS.SIZE)))
    if (!this.structure.hasEdge(block, to)) {
      this.exitAt(to, EXIT.TAKEN)
      return
    }
    this.if(W.leS(this.credit, W.i32(this.recordAt(to))), () => { this.exitAt(to, EXIT.TAKEN) })
    this.goTo(block, to)
  }

  private blockCode(block: Block): void {
    const { start, end, instructions } = block
    this.fpChecked = false
    instructions.forEach((instruction, i) => { this.instructionCode(instruction, start + i, block) })
    if (!block.falls) return
    if (this.structure.hasEdge(start, end)) this.goTo(start, end)
    else this.exitAt(end, EXIT.FALL)
  }

  private instructionCode(instruction: Instruction, at: number, block: Block): void {
    this.instruction = instruction
    this.at = at
    this.values.clear()
    this.results.clear()
    this.releaseTemporaries()
    this.overwrites.clear()
    this.effectNumber = 0
    const { effects } = instruction.shape.recording
    this.noteWrites(effects)
    this.effects(effects, block)
    // So does the interpreter: runs have to end at the same place.
    if (instruction.shape.stops && (block.falls || at + 1 < block.end)) this.if(W.leS(this.credit, W.i32(this.recordAt(at + 1))), () => { this.exitAt(at + 1, EXIT.TAKEN) })
  }

  private noteWrites(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'setX') this.overwrites.add(this.register(effect.field, effect.plus))
      else if (effect.kind === 'setXSP') this.overwrites.add(this.register(effect.field, 0))
      else if (effect.kind === 'link') this.overwrites.add(30)
      else if (effect.kind === 'when') this.noteWrites(effect.body)
    }
  }

  // --- registers and values

  private register(field: string, plus: number): number {
    return IMPLIED[field] ?? ((this.instruction.fields[field]! + plus) & 31)
  }

  private registerLocal(n: number): Expression { return this.registers[n] ??= this.newLocal(I64) }

  private setRegister(n: number, value: Expression): void {
    const local = this.registerLocal(n)
    this.written.add(n)
    this.set(local, value)
  }

  private address(at: number): Expression { return W.add(this.pageVa(), W.i64(at * 4)) }

  /** `e` as something that can be evaluated twice. */
  private reusable(e: Expression): Expression {
    const lowered = this.lower(e)
    if (W.isConstant(lowered) || (isLocal(lowered) && this.isTemporary(lowered))) return lowered
    const local = this.temporary(lowered.type)
    this.raw(lowered)
    this.setStack(local)
    this.values.set(e, local)
    return local
  }

  /** Whether a local keeps its value to the end of the instruction. */
  private isTemporary(e: Expression): boolean {
    const n = this.registers.findIndex(register => register?.low === e.low)
    return n < 0 || !this.overwrites.has(n)
  }

  override expression(e: Expression): void {
    this.raw(this.lower(e))
  }

  private raw(e: Expression): void {
    for (const operand of e.operands) this.raw(operand)
    this.operator(e)
  }

  /** The expression over locals and constants; what is needed again is computed into a local on the way. */
  private lower(e: Expression): Expression {
    if (W.isConstant(e) || isLocal(e)) return e
    const known = this.values.get(e)
    if (known !== undefined) return known
    const lowered = leafKind(e) === undefined ? this.rebuilt(e) : this.leaf(e)
    if (!this.instruction?.shape.plan.shared.has(e) || W.isConstant(lowered) || (isLocal(lowered) && this.isTemporary(lowered))) return lowered
    const local = this.temporary(lowered.type)
    this.raw(lowered)
    this.setStack(local)
    this.values.set(e, local)
    return local
  }

  private rebuilt(e: Expression): Expression {
    const { operands } = e
    if (operands.length === 0) return e
    let same = true
    const lowered = operands.map(operand => {
      const l = this.lower(operand)
      if (l !== operand) same = false
      return l
    })
    if (same) return e
    const simplify = SIMPLIFY.get(e.op)
    return simplify === undefined ? { ...e, operands: lowered } : simplify(lowered[0]!, lowered[1]!)
  }

  private leaf(e: Expression): Expression {
    switch (leafKind(e)!) {
      case LEAF.X: case LEAF.XSP: {
        const n = this.register(e.name, e.low)
        if (n === SP && leafKind(e) === LEAF.X) return W.constant(e.type, 0)
        const local = this.registerLocal(n)
        return e.type === I64 ? local : W.wrap(local)
      }
      case LEAF.Q: return W.load(LOAD.v128, ZERO, HOT.V + 16 * this.register(e.name, e.low))
      case LEAF.IMMEDIATE: {
        const value = BigInt(immediateOf(this.instruction, e.name))
        return e.type === I64 ? W.i64Big(value) : W.i32(Number(BigInt.asIntN(32, value)))
      }
      case LEAF.PC: return this.address(this.at)
      case LEAF.NZCV: return this.nzcv()
      case LEAF.CARRY: {
        const { flags } = this
        return typeof flags === 'string' ? W.and(W.shrU(this.nzcv(), W.i32(1)), W.i32(1)) : carryOf(flags)
      }
      case LEAF.CONDITION: {
        const { flags } = this
        return (typeof flags === 'string' ? undefined : conditionOf(flags, e.low)) ?? packedCondition(e.low, this.nzcv())
      }
      case LEAF.RESULT: return this.results.get(e.low)![e.name === 'second' ? 1 : 0]!
      case LEAF.HELPER: return W.call(this.helpers[e.name as 'crc32'], e.type, ...e.operands.map(operand => this.lower(operand)))
    }
  }

  // --- flags

  /** Brings the packed flags up to date, whatever has set them. */
  private pack(): void {
    for (const number of this.flagNumbers) {
      if (number === PACKED) continue
      this.if(W.eq(this.flagNumber, W.i32(number)), () => { this.set(this.packed, packedOf(producerOf(number, this.flagA, this.flagB))) })
    }
  }

  private nzcv(): Expression {
    if (this.flags === 'packed') return this.packed
    if (this.flags === 'unknown') this.pack()
    else this.set(this.packed, packedOf(this.flags))
    this.set(this.flagNumber, W.i32(PACKED))
    this.flags = 'packed'
    return this.packed
  }

  private setFlags(effect: Extract<Effect, { kind: 'flags' }>): void {
    const { operation, width } = effect
    if (isLazy(operation)) {
      const a = this.reusable(effect.a), b = operation === 'logical' ? W.constant(a.type, 0) : this.reusable(effect.b)
      const wide = (e: Expression): Expression => e.type === I64 ? e : W.extendU(e)
      this.set(this.flagA, wide(a))
      if (operation !== 'logical') this.set(this.flagB, wide(b))
      const number = producerNumber(operation, width)
      this.set(this.flagNumber, W.i32(number))
      const kept = producerOf(number, this.flagA, this.flagB)
      this.flags = { ...kept, b: W.isConstant(b) ? b : kept.b }
      return
    }
    const a = this.reusable(effect.a)
    if (operation === 'set') {
      this.set(this.packed, a)
    } else {
      const b = this.reusable(effect.b), carry = this.reusable(effect.carry)
      this.set(this.packed, nzcvOf(operation, a, b, carry, this.reusable(effect.result)))
    }
    this.set(this.flagNumber, W.i32(PACKED))
    this.flags = 'packed'
  }

  // --- effects

  private effects(effects: readonly Effect[], block: Block): void {
    const { before } = this.instruction.shape.plan
    for (const effect of effects) {
      const number = this.effectNumber++
      for (const e of before.get(number) ?? []) this.reusable(e)
      this.effect(effect, number, block)
    }
  }

  private effect(effect: Effect, number: number, block: Block): void {
    const { helpers } = this
    switch (effect.kind) {
      case 'setX': {
        const n = this.register(effect.field, effect.plus)
        // Nothing observes what register 31 is given: a load has been done already.
        if (n !== SP) this.setRegister(n, effect.value)
        return
      }
      case 'setXSP': return this.setRegister(this.register(effect.field, 0), effect.value)
      case 'setQ': return this.store(STORE.v128, ZERO, effect.value, HOT.V + 16 * this.register(effect.field, effect.plus))
      case 'flags': return this.setFlags(effect)
      case 'load': return this.load(effect.access, number)
      case 'store': return this.storeTo(effect.access, effect.value)
      case 'loadPair': return this.loadPair(effect.access, number)
      case 'storePair': return this.storePair(effect.access, effect.value, effect.second)
      case 'checkFP': {
        if (!this.fpChecked) this.if(this.constantly('fp', () => hot(HOT.FP_TRAP)), () => { this.exitAt(this.at, EXIT.SIDE) })
        this.fpChecked = true
        return
      }
      case 'clearExclusive': return this.store(STORE.i32, ZERO, ZERO, HOT.EXCLUSIVE_ADDRESS)
      case 'branch': {
        const target = block.target!
        if (effect.condition === undefined) return this.take(block.start, target)
        return this.if(effect.condition, () => { this.take(block.start, target) })
      }
      case 'branchTo': return this.branchTo(effect.target, block)
      case 'link': return this.setRegister(30, this.address(this.at + 1))
      case 'when': {
        const condition = this.lower(effect.condition), { flags } = this
        this.if(condition, () => { this.effects(effect.body, block) })
        if (this.flags !== flags) this.flags = 'unknown'
        return
      }
      case 'fp': {
        const result = this.temporary(effect.result.type)
        this.results.set(number, [result])
        return floatingPoint(this, helpers, effect.operation, effect.operands, result)
      }
      case 'setQC': return setQC(this, effect.condition)
      case 'fallback': return this.if(effect.condition, () => { this.exitAt(this.at, EXIT.SIDE) })
      case 'poke': return this.store(effect.op, effect.address, effect.value, effect.offset)
      case 'setExclusive': return this.setExclusive(effect.address, effect.size)
      case 'storeExclusive': return this.storeExclusive(effect, number)
      // ISB, the only one that is not foreign.
      case 'request': return this.exitFar(this.address(this.at + 1))
    }
  }

  private branchTo(target: Expression, block: Block): void {
    const to = this.reusable(target)
    if (block.returns) {
      for (const continuation of this.region.continuations) {
        if (!this.structure.hasEdge(block.start, continuation)) continue
        this.if(W.eq(to, this.address(continuation)), () => { this.take(block.start, continuation) })
      }
    }
    this.exitFar(to)
  }

  // --- memory

  private context(flags: number): Expression {
    return (flags & ACCESS.UNPRIVILEGED) !== 0 ? this.constantly('unprivileged', () => hot(HOT.UNPRIVILEGED_TLB)) : this.constantly('data', () => hot(HOT.DATA_TLB))
  }

  /** SP's misalignment when the base register is SP and alignment is checked, else 0. */
  private guard(access: Access): Expression | undefined {
    if (access.guard === undefined || this.register(access.guard.name, 0) !== SP) return undefined
    return W.and(this.lower(access.guard), this.constantly('spMask', () => hot(HOT.SP_MASK + SP * 8, LOAD.i64)))
  }

  /** Address in RAM, in a local, if the TLB has the page and the access is aligned; else the interpreter does the instruction. See HandlerCode. */
  private access(access: Access, bytes: number, alignment: number, part: number): Expression {
    const address = this.reusable(access.address)
    const entry = this.temporary(I32), ram = this.temporary(I32)
    this.set(entry, tlbEntry(this.context(access.flags), address, TLB.DATA_ENTRIES))
    let tag = W.and(address, W.i64(-4096 | (alignment - 1)))
    if (bytes > alignment) tag = W.or(W.and(W.add(address, W.i64(bytes - alignment)), W.i64(-4096)), W.and(address, W.i64(alignment - 1)))
    const guard = this.guard(access)
    if (guard !== undefined) tag = W.or(tag, guard)
    this.if(W.ne(W.load(LOAD.i64, entry, part), tag), () => { this.exitAt(this.at, EXIT.SIDE) })
    this.set(ram, W.add(W.wrap(address), W.load(LOAD.i32, entry, part + 8)))
    this.accessed = ram
    return ram
  }

  /** The load before has the address in RAM: it was aligned, and its page is in the read TLB. See defineSetExclusive. */
  private setExclusive(address: Expression, size: number): void {
    this.store(STORE.i32, ZERO, this.accessed, HOT.EXCLUSIVE_ADDRESS)
    this.store(STORE.i32, ZERO, W.i32(size), HOT.EXCLUSIVE_SIZE)
    this.store(STORE.i64, ZERO, address, HOT.EXCLUSIVE_VA)
    this.store(STORE.i64, ZERO, W.load(LOAD.i64, this.accessed), HOT.EXCLUSIVE_LOW)
    if (size === 16) this.store(STORE.i64, ZERO, W.load(LOAD.i64, this.accessed, 8), HOT.EXCLUSIVE_HIGH)
  }

  /** See defineStoreExclusive. What may fault leaves before anything has changed. */
  private storeExclusive({ access, value, high }: Extract<Effect, { kind: 'storeExclusive' }>, number: number): void {
    const { size } = access, address = this.reusable(access.address), low = this.reusable(value), upper = high === undefined ? undefined : this.reusable(high)
    const result = this.temporary(I32), ram = this.temporary(I32), entry = this.temporary(I32), marked = this.temporary(I32)
    this.results.set(number, [result])
    const leave = (): void => { this.exitAt(this.at, EXIT.SIDE) }
    if (size > 1) this.if(W.ne(W.and(W.wrap(address), W.i32(size - 1)), ZERO), leave)
    const guard = this.guard(access)
    if (guard !== undefined) this.if(W.ne(guard, W.i64(0)), leave)
    this.set(result, W.i32(1))
    this.set(marked, hot(HOT.EXCLUSIVE_ADDRESS))
    this.if(W.and(W.and(W.ne(marked, ZERO), W.eq(hot(HOT.EXCLUSIVE_SIZE), W.i32(size))), W.eq(address, hot(HOT.EXCLUSIVE_VA, LOAD.i64))), () => {
      this.set(entry, tlbEntry(this.context(access.flags), address, TLB.DATA_ENTRIES))
      this.if(W.ne(W.load(LOAD.i64, entry, TLB.WRITE), W.and(address, W.i64(-4096))), leave)
      this.set(ram, W.add(W.wrap(address), W.load(LOAD.i32, entry, TLB.WRITE + 8)))
      const seen = hot(HOT.EXCLUSIVE_LOW, LOAD.i64)
      const kept = size >= 8 ? seen : W.and(seen, size === 4 ? W.i64Pair(0, -1) : W.i64(2 ** (8 * size) - 1))
      let same = W.and(W.eq(ram, marked), W.eq(W.load(loadOperator(Math.min(size, 8)), ram), kept))
      if (upper !== undefined) same = W.and(same, W.eq(W.load(LOAD.i64, ram, 8), hot(HOT.EXCLUSIVE_HIGH, LOAD.i64)))
      this.if(same, () => {
        this.store(storeOperator(Math.min(size, 8)), ram, low)
        if (upper !== undefined) this.store(STORE.i64, ram, upper, 8)
        this.set(result, ZERO)
      })
    })
    this.store(STORE.i32, ZERO, ZERO, HOT.EXCLUSIVE_ADDRESS)
  }

  private load(access: Access, number: number): void {
    const { size } = access
    const ram = this.access(access, size, size, (access.flags & ACCESS.FOR_UPDATE) !== 0 ? TLB.WRITE : TLB.READ)
    const result = this.temporary(valueType(size))
    this.results.set(number, [result])
    this.set(result, W.load(loadOperator(size), ram))
  }

  private storeTo(access: Access, value: Expression): void {
    const data = this.lower(value)
    this.store(storeOperator(access.size), this.access(access, access.size, access.size, TLB.WRITE), data)
  }

  private loadPair(access: Access, number: number): void {
    const { size } = access
    const ram = this.access(access, 2 * size, size, TLB.READ)
    const first = this.temporary(I64), second = this.temporary(I64)
    this.results.set(number, [first, second])
    this.set(first, W.load(loadOperator(size), ram))
    this.set(second, W.load(loadOperator(size), ram, size))
  }

  private storePair(access: Access, value: Expression, other: Expression): void {
    const { size } = access
    const first = this.lower(value), second = this.lower(other)
    const ram = this.access(access, 2 * size, size, TLB.WRITE)
    this.store(storeOperator(size), ram, first)
    this.store(storeOperator(size), ram, second, size)
  }
}
