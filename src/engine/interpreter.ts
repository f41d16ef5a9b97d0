/**
 * Generates the interpreter (tier T0): a WebAssembly module made from the instruction rows.
 *
 * One function holds the dispatch loop: it reads the handler's number from the current decode record and jumps through a br_table.
 * Rare instructions have functions of their own, called through a table. Variants whose code comes out equal share a handler.
 *
 * A comparison and the conditional branch behind it are done by one handler, where the branch stays in the page: see `Decoding.fused`.
 *
 * Budget. One number, the *credit*, is kept instead of a counter: credit - record = 16 * (instructions that may still be executed), so
 * that going to the next record costs nothing. A taken branch from record p to q sets credit += q - p - 16, and leaves when
 * credit - q <= 0; in the exact interpreter every instruction makes that comparison. Without a current record, credit is 16 * what is left.
 */
import type { Row, Variant } from '../isa/instruction.ts'
import { VARIANTS, rowNamed, variantsOf } from '../isa/table.ts'
import { ACCESS } from './callbacks.ts'
import { HandlerCode, barrierMatters } from './handler.ts'
import type { Frame, HandlerOptions } from './handler.ts'
import { addressOfRecord, declareHelpers, defineHelpers, hot, tlbEntry } from './helpers.ts'
import type { Helpers } from './helpers.ts'
import { HEAT, HOT, RECORDS, SIDE, TLB } from './layout.ts'
import { INLINE_VARIANTS } from './inline-system.ts'
import { OperandLayout } from './record.ts'
import type { Operand } from './record.ts'
import { DYNAMIC_CONDITION, Recorder } from './recorder.ts'
import type { Effect, Recording } from './recorder.ts'
import { EXIT } from './translator/exit.ts'
import type { Label } from './wasm/code.ts'
import { parameter } from './wasm/code.ts'
import * as W from './wasm/expression.ts'
import { I32, I64, LOAD, STORE } from './wasm/expression.ts'
import { ModuleBuilder } from './wasm/module.ts'

export interface InterpreterOptions extends HandlerOptions {
  /** Check the budget at every instruction. */
  readonly exact: boolean
  /** Count taken branches and run regions of the translator; the exact interpreter only passes over them. */
  readonly translate: boolean
}

/** Handlers that belong to no instruction. */
export const HANDLER = {
  /** Not decoded yet. A cleared record is one of these. */
  UNDECODED: 0,
  /** The end of a page. */
  PAGE_END: 1,
  /** A translated region begins here: see SIDE of layout.ts. */
  REGION: 2,
  FIRST: 3,
} as const

/** How a variant is entered into a decode record. */
export interface Decoding {
  /** Handler; for branches the one for targets in the same page. */
  readonly handler: number
  readonly operands: readonly Operand[]
  /** Handler that also does the next instruction, which must be a conditional branch (`Interpreter.conditionalBranch`) that is decoded already. */
  readonly fused: number | undefined
  /** For branches: the immediate that is the offset, and the handler for other pages. */
  readonly far: { readonly immediate: string, readonly handler: number, readonly operands: readonly Operand[] } | undefined
}

export interface Interpreter {
  readonly bytes: Uint8Array<ArrayBuffer>
  /** By variant index; undefined: the handler is late. */
  readonly decodings: readonly (Decoding | undefined)[]
  /** Handler number of late handler 0: those in the exported table `table`. */
  readonly firstLate: number
  /** Handler of B.cond to the same page. */
  readonly conditionalBranch: number
  readonly mainHandlers: number
  /** Place of region 0 in the table. */
  readonly firstRegion: number
}

/** Instructions with the same static fields but `cond` share a recording. */
export function recordingOf(variant: Variant, options: HandlerOptions): Recording {
  const recorder = new Recorder()
  const statics = 'cond' in variant.statics ? { ...variant.statics, cond: DYNAMIC_CONDITION } : variant.statics
  variant.row.body(statics, recorder)
  const { effects, positions } = recorder.recording()
  return { positions, effects: effects.filter(effect => effect.kind !== 'request' || barrierMatters(effect.request, options)) }
}

const hasEffect = (effects: readonly Effect[], test: (effect: Effect) => boolean): boolean =>
  effects.some(effect => test(effect) || (effect.kind === 'when' && hasEffect(effect.body, test)))

/** SIMD&FP rows that compiled code and memcpy use all the time; all others have functions of their own. */
const FREQUENT_VECTOR = /^(LDR|STR) \(immediate, SIMD&FP|^(LDP|STP) \(SIMD&FP|^(LDUR|STUR) \(SIMD&FP/
/** Integer rows that compilers seldom emit. */
const SELDOM = /^(LD|ST)NP|^(ORN|EON|BICS) \(shifted register\)$|^(ADDS|SUBS) \(extended|^ADCS?$|^SBCS?$|^CLS|^RBIT|^CRC32/

const isSeldom = (row: Row): boolean => row.rare || SELDOM.test(row.name) || row.feature !== undefined

/** Kept out of the dispatch function: what goes to JavaScript anyway, and what is long or seldom. V8 optimises a smaller function better. */
function isRare(row: Row, recording: Recording): boolean {
  return hasEffect(recording.effects, effect => {
    switch (effect.kind) {
      case 'request': case 'setExclusive': case 'storeExclusive': case 'clearExclusive': return true
      case 'checkFP': return !FREQUENT_VECTOR.test(row.name)
      // LDTR, STTR, LDAR, STLR and atomics.
      case 'load': case 'store': return (effect.access.flags & (ACCESS.UNPRIVILEGED | ACCESS.ORDERED | ACCESS.ATOMIC | ACCESS.FOR_UPDATE)) !== 0
      default: return false
    }
  })
}

/** Rows that are fused with B.cond: comparisons, as compilers write them. */
const FUSED: ReadonlySet<string> = new Set(['SUBS (shifted register), LSL #0', 'SUBS (immediate)', 'ADDS (immediate)', 'ANDS (immediate)', 'ANDS (shifted register), LSL #0'])

interface Body {
  readonly variant: Variant
  readonly recording: Recording
  readonly layout: OperandLayout
  readonly near: boolean
}

/** Handlers by their code. */
class KnownCode {
  private readonly byHash = new Map<number, { readonly code: Uint8Array, readonly at: number }[]>()

  /** FNV-1a. */
  private hash(code: Uint8Array): number {
    let hash = 0x811c_9dc5
    for (let i = 0; i < code.length; i++) hash = Math.imul(hash ^ code[i]!, 0x0100_0193)
    return hash
  }

  find(code: Uint8Array): number | undefined {
    const same = (other: Uint8Array): boolean => other.length === code.length && other.every((byte, i) => byte === code[i])
    return this.byHash.get(this.hash(code))?.find(entry => same(entry.code))?.at
  }

  add(code: Uint8Array, at: number): void {
    const hash = this.hash(code)
    const list = this.byHash.get(hash)
    if (list === undefined) this.byHash.set(hash, [{ code, at }])
    else list.push({ code, at })
  }
}

export function generateInterpreter(options: InterpreterOptions): Interpreter {
  const module = new ModuleBuilder()
  module.importMemory()
  const helpers = declareHelpers(module)
  const main: Body[] = []
  /** So that equal handlers are one: index into `main`. */
  const known = new KnownCode()
  interface Place { readonly near: number, readonly far: number | undefined, readonly nearOperands: readonly Operand[], readonly farOperands: readonly Operand[], readonly immediate: string }
  const shared = new Map<string, Place | undefined>()

  const scratch = new HandlerCode(2, helpers, options)
  const keyFrame: Frame = {
    record: parameter(0), credit: parameter(1),
    abandon: () => { scratch.out.byte(0xf0) },
    completed: () => { scratch.out.byte(0xf3) },
    branchNear: distance => { scratch.expression(distance); scratch.out.byte(0xf1) },
    branchFar: target => { scratch.expression(target); scratch.out.byte(0xf2) },
  }
  const enter = (variant: Variant, recording: Recording, near: boolean): { readonly at: number, readonly layout: OperandLayout } => {
    const layout = new OperandLayout(variant.row, recording, near)
    scratch.out.length = 0
    scratch.handler(recording, layout, keyFrame, near)
    const found = known.find(scratch.out.view())
    if (found !== undefined) return { at: found, layout }
    const at = main.push({ variant, recording, layout, near }) - 1
    known.add(scratch.out.toBytes(), at)
    return { at, layout }
  }
  const placeOf = (variant: Variant): Place | undefined => {
    const recording = recordingOf(variant, options)
    if (isRare(variant.row, recording)) return undefined
    const branch = recording.effects.find(effect => effect.kind === 'branch')
    const near = enter(variant, recording, branch !== undefined)
    const far = branch === undefined ? undefined : enter(variant, recording, false)
    return {
      near: near.at, nearOperands: near.layout.operands,
      far: far?.at, farOperands: far?.layout.operands ?? [], immediate: branch?.kind === 'branch' ? branch.field : '',
    }
  }
  const places = [...VARIANTS, ...INLINE_VARIANTS].map(variant => {
    if (isSeldom(variant.row)) return undefined
    if (!('cond' in variant.statics)) return placeOf(variant)
    const key = `${variant.row.name} ${Object.entries(variant.statics).filter(([name]) => name !== 'cond').join()}`
    if (!shared.has(key)) shared.set(key, placeOf(variant))
    return shared.get(key)
  })

  const branchAt = places[variantsOf(rowNamed('B.cond'))[0]!.index]!.near
  const fused = main.map((_, i) => i).filter(i => FUSED.has(main[i]!.variant.row.name))
  const number = (at: number): number => HANDLER.FIRST + at
  const fusedNumber = (at: number): number | undefined => fused.includes(at) ? HANDLER.FIRST + main.length + fused.indexOf(at) : undefined
  const decodings = places.map((place): Decoding | undefined => place === undefined ? undefined : ({
    handler: number(place.near), operands: place.nearOperands, fused: fusedNumber(place.near),
    far: place.far === undefined ? undefined : { immediate: place.immediate, handler: number(place.far), operands: place.farOperands },
  }))

  const run = module.declare([], [], 'run')
  const types = { rare: module.type([I32, I32], []), region: module.type([I32], [I32]) }
  const firstRegion = decodings.filter(decoding => decoding === undefined).length
  module.exportTable('table', firstRegion + (options.translate ? SIDE.REGIONS : 0))
  module.define(run, dispatchLoop(main, fused.map(i => [main[i]!, main[branchAt]!]), types, firstRegion, helpers, options))
  defineHelpers(module, helpers)
  const mainHandlers = main.length + fused.length
  return { bytes: module.toBytes(), decodings, firstLate: HANDLER.FIRST + mainHandlers, conditionalBranch: number(branchAt), mainHandlers, firstRegion }
}

const ZERO = W.i32(0)
const SIZE = W.i32(RECORDS.SIZE)


function dispatchLoop(main: readonly Body[], fused: readonly (readonly [Body, Body])[], types: { readonly rare: number, readonly region: number }, firstRegion: number, helpers: Helpers, options: InterpreterOptions): HandlerCode {
  const code = new HandlerCode(0, helpers, options)
  const record = code.newLocal(I32), credit = code.newLocal(I32), target = code.newLocal(I64), distance = code.newLocal(I32), entry = code.newLocal(I32)
  const handler = code.newLocal(I32), heat = code.newLocal(I32), warmth = code.newLocal(I32)
  const counting = options.translate && !options.exact
  const spent = W.leS(W.sub(credit, record), ZERO)
  const leaveAt = (pc: W.Expression, left: W.Expression): void => {
    code.store(STORE.i64, ZERO, pc, HOT.PC)
    code.store(STORE.i32, ZERO, left, HOT.LEFT)
    code.return()
  }
  /** Continues at `target` with what is left in `credit`. */
  const leaveOrJump = (jump: Label): void => {
    code.if(W.leS(credit, ZERO), () => leaveAt(target, credit))
    code.branch(jump)
  }

  /** One taken branch to `record`. */
  const count = (): void => {
    if (!counting) return
    code.set(heat, W.and(W.shrU(record, W.i32(3)), W.i32(HEAT.MASK)))
    code.set(warmth, W.sub(W.load(LOAD.i32_16u, heat, HEAT.BASE), W.i32(1)))
    code.store(STORE.i32_16, heat, warmth, HEAT.BASE)
    code.if(W.eqz(warmth), () => code.callVoid(helpers.imports['hot']!, record))
  }

  code.set(target, hot(HOT.PC, LOAD.i64))
  code.set(credit, hot(HOT.LEFT))
  const jump = code.loop()
  code.set(entry, tlbEntry(hot(HOT.FETCH_TLB), target, TLB.FETCH_ENTRIES))
  // Bits 1:0 take part in the comparison: a misaligned PC is for JavaScript.
  code.if(W.ne(W.load(LOAD.i64, entry, TLB.FETCH), W.and(target, W.i64(-4096 | 3))), () => {
    code.store(STORE.i64, ZERO, target, HOT.PC)
    code.store(STORE.i32, ZERO, ZERO, HOT.RECORD)
    code.store(STORE.i32, ZERO, credit, HOT.CREDIT)
    code.callVoid(helpers.imports['fetch']!)
    code.set(target, hot(HOT.PC, LOAD.i64))
    code.set(credit, hot(HOT.CREDIT))
    code.if(hot(HOT.REDIRECT), () => {
      code.store(STORE.i32, ZERO, ZERO, HOT.REDIRECT)
      code.set(credit, W.sub(credit, SIZE))
    })
    leaveOrJump(jump)
  })
  code.store(STORE.i64, ZERO, W.and(target, W.i64(-4096)), HOT.PAGE_VA)
  code.set(record, W.load(LOAD.i32, entry, TLB.FETCH + 8))
  code.store(STORE.i32, ZERO, record, HOT.RECORDS)
  code.set(record, W.add(record, W.shl(W.and(W.wrap(target), W.i32(0xfff)), W.i32(2))))
  code.set(credit, W.add(credit, record))
  count()

  const exhausted = code.block()
  const far = code.block()
  const abandon = code.block()
  const next = code.loop()
  // Where there are regions, the handler may be another than the record says.
  if (options.translate) code.set(handler, W.load(LOAD.i32_16u, record))
  const dispatch = options.translate ? code.loop() : next
  const handlerNumber = options.translate ? handler : W.load(LOAD.i32_16u, record)
  const advance = (): void => {
    code.set(record, W.add(record, SIZE))
    if (options.exact) code.branchIf(exhausted, spent)
    code.branch(next)
  }
  const frame: Frame = {
    record, credit,
    abandon: () => code.branch(abandon),
    completed: () => {
      code.set(record, W.add(record, SIZE))
      code.branchIf(exhausted, spent)
      code.branch(next)
    },
    branchNear: d => {
      code.set(distance, d)
      code.set(credit, W.add(W.add(credit, distance), W.i32(-RECORDS.SIZE)))
      code.set(record, W.add(record, distance))
      code.branchIf(exhausted, spent)
      count()
      code.branch(next)
    },
    branchFar: to => {
      code.set(target, to)
      code.branch(far)
    },
  }
  const sideField = (offset: number): W.Expression =>
    W.load(LOAD.i32_16u, W.add(W.load(LOAD.i32, hot(HOT.RECORDS), RECORDS.SIDE), W.shrU(W.sub(record, hot(HOT.RECORDS)), W.i32(2))), offset)
  const ownHandler = (): void => {
    code.set(handler, sideField(2))
    code.branch(dispatch)
  }
  const regionHandler = (): void => {
    if (!options.translate) return code.unreachable()
    if (options.exact) return ownHandler()
    // Where it goes on: translator/lower.ts.
    code.expression(credit)
    code.callIndirect(types.region, W.add(sideField(0), W.i32(firstRegion)))
    code.setStack(record)
    code.set(credit, hot(HOT.CREDIT))
    code.if(W.eqz(record), () => {
      code.set(target, hot(HOT.PC, LOAD.i64))
      leaveOrJump(jump)
    })
    code.set(entry, W.and(record, W.i32(EXIT.MASK)))
    code.set(record, W.and(record, W.i32(~EXIT.MASK)))
    code.if(W.eq(entry, W.i32(EXIT.SIDE)), () => {
      code.set(handler, W.load(LOAD.i32_16u, record))
      code.if(W.eq(handler, W.i32(HANDLER.REGION)), ownHandler)
      code.branch(dispatch)
    })
    code.if(W.eq(entry, W.i32(EXIT.TAKEN)), () => {
      code.branchIf(exhausted, spent)
      count()
    })
    code.branch(next)
  }
  const handlers: (() => void)[] = [
    () => {
      code.callVoid(helpers.imports['decode']!, record)
      code.branch(next)
    },
    () => {
      code.set(target, W.add(hot(HOT.PAGE_VA, LOAD.i64), W.i64(4096)))
      code.set(credit, W.sub(credit, record))
      leaveOrJump(jump)
    },
    regionHandler,
    ...main.map(body => () => {
      code.handler(body.recording, body.layout, frame, body.near)
      advance()
    }),
    ...fused.map(([first, second]) => () => {
      code.handler(first.recording, first.layout, frame, first.near)
      // The exact interpreter may have to stop between the two.
      if (!options.exact) {
        code.set(record, W.add(record, SIZE))
        code.handler(second.recording, second.layout, frame, second.near, true)
      }
      advance()
    }),
  ]
  const labels: Label[] = []
  const rare = code.block()
  for (let i = handlers.length - 1; i >= 0; i--) labels[i] = code.block()
  code.branchTable(labels, rare, handlerNumber)
  for (const handler of handlers) {
    code.end()
    handler()
  }
  code.end() // rare
  code.callVoid(helpers.spill, record, credit)
  code.callIndirect(types.rare, W.sub(handlerNumber, W.i32(handlers.length)), record, credit)
  code.set(credit, hot(HOT.CREDIT))
  code.branchIf(abandon, hot(HOT.REDIRECT))
  code.set(record, W.add(record, SIZE))
  code.branchIf(exhausted, spent)
  code.branch(next)
  code.end() // next
  if (options.translate) code.end() // dispatch
  code.end() // abandon
  code.store(STORE.i32, ZERO, ZERO, HOT.REDIRECT)
  code.set(target, hot(HOT.PC, LOAD.i64))
  code.branch(far)
  code.end() // far
  code.set(credit, W.sub(W.sub(credit, record), SIZE))
  leaveOrJump(jump)
  code.end() // exhausted
  leaveAt(addressOfRecord(record), W.sub(credit, record))
  code.end() // jump
  return code
}
