/**
 * Functions of the interpreter's module besides the handlers: the slow path of memory accesses, exclusives, CRC, and the imports they
 * need. All of them are called with the current record and credit, which they leave in the hot block for JavaScript.
 */
import { ACCESS } from './callbacks.ts'
import { CRC_TABLES, HOT, TLB } from './layout.ts'
import { POINTER_CODES, definePointerCodes } from './pointer-codes.ts'
import { ENTRY_FLAGS } from './tlb.ts'
import { Code, parameter } from './wasm/code.ts'
import * as W from './wasm/expression.ts'
import { I32, I64, LOAD, STORE, V128 } from './wasm/expression.ts'
import type { Expression, ValueType } from './wasm/expression.ts'
import type { ModuleBuilder } from './wasm/module.ts'

export const ACCESS_SIZES = [1, 2, 4, 8, 16] as const
const LOADS: Readonly<Record<number, number>> = { 1: LOAD.i64_8u, 2: LOAD.i64_16u, 4: LOAD.i64_32u, 8: LOAD.i64, 16: LOAD.v128 }
const STORES: Readonly<Record<number, number>> = { 1: STORE.i64_8, 2: STORE.i64_16, 4: STORE.i64_32, 8: STORE.i64, 16: STORE.v128 }
export const loadOperator = (size: number): number => LOADS[size]!
export const storeOperator = (size: number): number => STORES[size]!
export const valueType = (size: number): ValueType => size === 16 ? V128 : I64

const ZERO = W.i32(0)
export const hot = (offset: number, op: number = LOAD.i32): Expression => W.load(op, ZERO, offset)

/** Function indices. */
export interface Helpers {
  readonly imports: Readonly<Record<string, number>>
  /** (record, credit): leaves both and PC in the hot block. */
  readonly spill: number
  /** (address, flags, record, credit) -> value. */
  readonly read: Readonly<Record<number, number>>
  /** (address, value, flags, record, credit). */
  readonly write: Readonly<Record<number, number>>
  /** (address, size, record, credit). */
  readonly setExclusive: number
  /** (address, low, high, size, flags, record, credit) -> status. */
  readonly storeExclusive: number
  /** (accumulator, value, bits) -> accumulator. */
  readonly crc32: number
  readonly crc32c: number
  /** (record, credit): fpAccess callback. */
  readonly fpTrap: number
  /** (i64, i64) -> v128. */
  readonly carrylessMultiply: number
  /** See pointer-codes.ts. */
  readonly computePAC: number
  readonly addPAC: number
  readonly authenticate: number
  readonly strip: number
  readonly genericPAC: number
}

/** Imports with parameters and results; engine.ts supplies them. */
export const IMPORTS: Readonly<Record<string, readonly [readonly ValueType[], readonly ValueType[]]>> = {
  /** Enters the page of PC into the fetch context, or redirects. */
  fetch: [[], []],
  /** Fills the decode record at this address. */
  decode: [[I32], []],
  /** A branch to the record at this address has become hot. */
  hot: [[I32], []],
  read: [[I32, I32, I32, I32], []],
  write: [[I32, I32, I32, I32], []],
  setExclusive: [[I32, I32, I32], []],
  /** The last argument is the address in the memory that the monitor holds. */
  storeExclusive: [[I32, I32, I32, I32, I32], [I32]],
  spAlignment: [[], []],
  fpAccess: [[], []],
  undefined: [[], []],
  unimplemented: [[], []],
  system: [[], []],
  marker: [[], []],
  exception: [[I32, I32], []],
  exceptionReturn: [[I32], []],
  writePstate: [[I32, I32], []],
  wait: [[I32], []],
  sendEvent: [[I32], []],
  barrier: [[I32], []],
  pauthTrap: [[], []],
  /** Operation as isa/fp-operation.ts codes it; operands and result are in FP_SCRATCH. */
  floatingPoint: [[I32], []],
  floatingPointLanes: [[I32], []],
}

type Signature = readonly [readonly ValueType[], readonly ValueType[]]
const READ = (size: number): Signature => [[I64, I32, I32, I32], [valueType(size)]]
const WRITE = (size: number): Signature => [[I64, valueType(size), I32, I32, I32], []]
const SIGNATURES: Readonly<Record<Exclude<keyof Helpers, 'imports' | 'read' | 'write'>, Signature>> = {
  spill: [[I32, I32], []],
  setExclusive: [[I64, I32, I32, I32], []],
  storeExclusive: [[I64, I64, I64, I32, I32, I32, I32], [I32]],
  crc32: [[I32, I64, I32], [I32]],
  crc32c: [[I32, I64, I32], [I32]],
  fpTrap: [[I32, I32], []],
  carrylessMultiply: [[I64, I64], [V128]],
  ...POINTER_CODES,
}

/** Function indices by name, each asked for when it is first needed. */
const onDemand = <N extends string | number>(signatures: ReadonlyMap<N, Signature>, index: (name: N, signature: Signature) => number): Readonly<Record<N, number>> => {
  const known = new Map<N, number>()
  const result = {}
  for (const [name, signature] of signatures) {
    Object.defineProperty(result, name, {
      enumerable: true,
      get: () => {
        let found = known.get(name)
        if (found === undefined) known.set(name, found = index(name, signature))
        return found
      },
    })
  }
  return result as Record<N, number>
}

const perSize = (signature: (size: number) => Signature): ReadonlyMap<number, Signature> => new Map(ACCESS_SIZES.map(size => [size, signature(size)]))

/** The functions in the module that defines them, exported for the modules of late handlers. */
export function declareHelpers(module: ModuleBuilder): Helpers {
  const imports: Record<string, number> = {}
  for (const [name, signature] of Object.entries(IMPORTS)) imports[name] = module.importFunction(name, ...signature)
  const all = (prefix: string, signatures: ReadonlyMap<string | number, Signature>): Record<string, number> =>
    Object.fromEntries([...signatures].map(([name, signature]) => [name, module.declare(...signature, `${prefix}${name}`)]))
  return { imports, read: all('read', perSize(READ)), write: all('write', perSize(WRITE)), ...all('', new Map(Object.entries(SIGNATURES))) } as unknown as Helpers
}

/** The same functions for another module, which imports those that its code names. */
export function importHelpers(module: ModuleBuilder): Helpers {
  const from = (prefix: string) => (name: string | number, signature: Signature): number => module.importFunction(`${prefix}${name}`, ...signature)
  return Object.assign(onDemand(new Map(Object.entries(SIGNATURES)), from('')), {
    imports: onDemand(new Map(Object.entries(IMPORTS)), from('')), read: onDemand(perSize(READ), from('read')), write: onDemand(perSize(WRITE), from('write')),
  }) as unknown as Helpers
}

/** Address of the entry for `address` in a part of a context. */
export function tlbEntry(context: Expression, address: Expression, entries: number): Expression {
  const index = W.and(W.shrU(W.wrap(address), W.i32(12 - 4)), W.i32((entries - 1) << 4))
  return W.add(context, index)
}

/** VA of the instruction at `record`. */
export const addressOfRecord = (record: Expression): Expression =>
  W.add(hot(HOT.PAGE_VA, LOAD.i64), W.extendU(W.shrU(W.sub(record, hot(HOT.RECORDS)), W.i32(2))))

const high = (address: Expression): Expression => W.wrap(W.shrU(address, W.i64(32)))

/** As `lookup`, for an access that may be misaligned, atomic or by LDTR; the RAM address is left in the local `ram`. Runs `hit` or falls through. */
function fullLookup(code: Code, address: Expression, size: number, flags: Expression, part: number, hit: (ram: Expression) => void): void {
  const entry = code.newLocal(I32)
  const context = W.select(hot(HOT.UNPRIVILEGED_TLB), hot(HOT.DATA_TLB), W.and(flags, W.i32(ACCESS.UNPRIVILEGED)))
  code.set(entry, tlbEntry(context, address, TLB.DATA_ENTRIES))
  code.if(W.eq(W.load(LOAD.i64, entry, part), W.and(address, W.i64(-4096))), () => {
    const aligned = W.eqz(W.and(W.wrap(address), W.i32(size - 1)))
    const lenient = W.and(W.load(LOAD.i32, entry, part + 12), W.i32(ENTRY_FLAGS.MISALIGNED))
    const strict = W.and(flags, W.i32(ACCESS.ATOMIC | ACCESS.ORDERED))
    const inPage = W.leU(W.and(W.wrap(address), W.i32(4095)), W.i32(4096 - size))
    const misalignedAllowed = W.and(W.and(lenient, W.eqz(strict)), inPage)
    code.if(W.and(W.or(aligned, misalignedAllowed), W.eqz(W.and(flags, W.i32(ACCESS.SP_MISALIGNED)))), () => {
      hit(W.add(W.wrap(address), W.load(LOAD.i32, entry, part + 8)))
    })
  })
}

function defineRead(module: ModuleBuilder, helpers: Helpers, size: number): void {
  const code = new Code(4)
  const address = parameter(0, I64), flags = parameter(1), record = parameter(2), credit = parameter(3)
  code.store(STORE.i32, ZERO, credit, HOT.CREDIT)
  // Loads for update need write permission: they are looked up where the store will be.
  code.if(W.and(flags, W.i32(ACCESS.FOR_UPDATE)),
    () => fullLookup(code, address, size, flags, TLB.WRITE, ram => code.return(W.load(loadOperator(size), ram))),
    () => fullLookup(code, address, size, flags, TLB.READ, ram => code.return(W.load(loadOperator(size), ram))))
  code.callVoid(helpers.spill, record, credit)
  code.if(W.and(flags, W.i32(ACCESS.SP_MISALIGNED)),
    () => code.callVoid(helpers.imports['spAlignment']!),
    () => code.callVoid(helpers.imports['read']!, high(address), W.wrap(address), W.i32(size), flags))
  code.expression(hot(HOT.DATA, size === 16 ? LOAD.v128 : LOAD.i64))
  module.define(helpers.read[size]!, code)
}

function defineWrite(module: ModuleBuilder, helpers: Helpers, size: number): void {
  const code = new Code(5)
  const address = parameter(0, I64), value = parameter(1, valueType(size)), flags = parameter(2), record = parameter(3), credit = parameter(4)
  code.store(STORE.i32, ZERO, credit, HOT.CREDIT)
  fullLookup(code, address, size, flags, TLB.WRITE, ram => {
    code.store(storeOperator(size), ram, value)
    code.return()
  })
  code.callVoid(helpers.spill, record, credit)
  code.store(size === 16 ? STORE.v128 : STORE.i64, ZERO, value, HOT.DATA)
  code.if(W.and(flags, W.i32(ACCESS.SP_MISALIGNED)),
    () => code.callVoid(helpers.imports['spAlignment']!),
    () => code.callVoid(helpers.imports['write']!, high(address), W.wrap(address), W.i32(size), flags))
  module.define(helpers.write[size]!, code)
}

/** Keeps the address in RAM, the size and the bytes as they are now. JavaScript does it when the read TLB has no entry. */
function defineSetExclusive(module: ModuleBuilder, helpers: Helpers): void {
  const code = new Code(4)
  const address = parameter(0, I64), size = parameter(1), record = parameter(2), credit = parameter(3)
  const entry = code.newLocal(I32), ram = code.newLocal(I32)
  code.store(STORE.i32, ZERO, credit, HOT.CREDIT)
  code.store(STORE.i32, ZERO, size, HOT.EXCLUSIVE_SIZE)
  code.store(STORE.i64, ZERO, address, HOT.EXCLUSIVE_VA)
  code.set(entry, tlbEntry(hot(HOT.DATA_TLB), address, TLB.DATA_ENTRIES))
  code.if(W.ne(W.load(LOAD.i64, entry, TLB.READ), W.and(address, W.i64(-4096))), () => {
    code.callVoid(helpers.spill, record, credit)
    code.callVoid(helpers.imports['setExclusive']!, high(address), W.wrap(address), size)
    code.return()
  })
  code.set(ram, W.add(W.wrap(address), W.load(LOAD.i32, entry, TLB.READ + 8)))
  code.store(STORE.i32, ZERO, ram, HOT.EXCLUSIVE_ADDRESS)
  // The bytes beyond the size are masked when they are compared.
  code.store(STORE.i64, ZERO, W.load(LOAD.i64, ram), HOT.EXCLUSIVE_LOW)
  code.if(W.eq(size, W.i32(16)), () => code.store(STORE.i64, ZERO, W.load(LOAD.i64, ram, 8), HOT.EXCLUSIVE_HIGH))
  module.define(helpers.setExclusive, code)
}

/**
 * The monitor holds the bytes that the load-exclusive saw: the store-exclusive succeeds if they are unchanged. All PEs run on one
 * thread, so that compare and store are one step. (A write of the same value by another PE in between goes unnoticed: ABA.)
 */
function defineStoreExclusive(module: ModuleBuilder, helpers: Helpers): void {
  const code = new Code(7)
  const address = parameter(0, I64), low = parameter(1, I64), highHalf = parameter(2, I64), size = parameter(3), flags = parameter(4)
  const record = parameter(5), credit = parameter(6)
  const entry = code.newLocal(I32), ram = code.newLocal(I32), marked = code.newLocal(I32)
  const failed = W.i32(1)
  code.store(STORE.i32, ZERO, credit, HOT.CREDIT)
  const aligned = W.eqz(W.and(W.wrap(address), W.sub(size, W.i32(1))))
  const ordinary = W.and(aligned, W.eqz(W.and(flags, W.i32(ACCESS.SP_MISALIGNED))))
  code.set(marked, hot(HOT.EXCLUSIVE_ADDRESS))
  code.store(STORE.i32, ZERO, ZERO, HOT.EXCLUSIVE_ADDRESS)
  // A store that fails anyway accesses nothing; alignment is checked before (AArch64.ExclusiveMonitorsPass).
  const held = W.and(W.and(W.ne(marked, ZERO), W.eq(size, hot(HOT.EXCLUSIVE_SIZE))), W.eq(address, hot(HOT.EXCLUSIVE_VA, LOAD.i64)))
  code.if(W.and(ordinary, W.eqz(held)), () => code.return(failed))
  code.set(entry, tlbEntry(hot(HOT.DATA_TLB), address, TLB.DATA_ENTRIES))
  const present = W.eq(W.load(LOAD.i64, entry, TLB.WRITE), W.and(address, W.i64(-4096)))
  code.if(W.eqz(W.and(ordinary, present)), () => {
    code.callVoid(helpers.spill, record, credit)
    code.if(W.and(flags, W.i32(ACCESS.SP_MISALIGNED)), () => {
      code.callVoid(helpers.imports['spAlignment']!)
      code.return(failed)
    })
    code.store(STORE.i64, ZERO, low, HOT.DATA)
    code.store(STORE.i64, ZERO, highHalf, HOT.DATA + 8)
    code.return(W.call(helpers.imports['storeExclusive']!, I32, high(address), W.wrap(address), size, flags, marked))
  })
  code.set(ram, W.add(W.wrap(address), W.load(LOAD.i32, entry, TLB.WRITE + 8)))
  code.if(W.ne(ram, marked), () => code.return(failed))
  const seen = hot(HOT.EXCLUSIVE_LOW, LOAD.i64)
  for (const bytes of [1, 2, 4] as const) {
    code.if(W.eq(size, W.i32(bytes)), () => {
      const mask = bytes === 4 ? W.i64Pair(0, -1) : W.i64(2 ** (8 * bytes) - 1)
      code.if(W.ne(W.load(loadOperator(bytes), ram), W.and(seen, mask)), () => code.return(failed))
      code.store(storeOperator(bytes), ram, low)
      code.return(ZERO)
    })
  }
  code.if(W.ne(W.load(LOAD.i64, ram), seen), () => code.return(failed))
  code.if(W.eq(size, W.i32(16)), () => {
    code.if(W.ne(W.load(LOAD.i64, ram, 8), hot(HOT.EXCLUSIVE_HIGH, LOAD.i64)), () => code.return(failed))
    code.store(STORE.i64, ram, highHalf, 8)
  })
  code.store(STORE.i64, ram, low)
  code.expression(ZERO)
  module.define(helpers.storeExclusive, code)
}

/** Byte by byte with the tables that engine.ts puts at CRC_TABLES. */
function defineCrc(module: ModuleBuilder, index: number, table: number): void {
  const code = new Code(3)
  const accumulator = parameter(0), value = parameter(1, I64), bits = parameter(2)
  const again = code.loop()
  const entry = W.load(LOAD.i32, W.shl(W.and(W.xor(accumulator, W.wrap(value)), W.i32(0xff)), W.i32(2)), table)
  code.set(accumulator, W.xor(W.shrU(accumulator, W.i32(8)), entry))
  code.set(value, W.shrU(value, W.i64(8)))
  code.set(bits, W.sub(bits, W.i32(8)))
  code.branchIf(again, bits)
  code.end()
  code.expression(accumulator)
  module.define(index, code)
}

/** Bit by bit of the second operand; the product is shifted in from above. */
function defineCarrylessMultiply(module: ModuleBuilder, index: number): void {
  const code = new Code(2)
  const a = parameter(0, I64), b = parameter(1, I64), low = code.newLocal(I64), high = code.newLocal(I64), left = code.newLocal(I32)
  code.set(left, W.i32(64))
  const again = code.loop()
  code.set(high, W.xor(high, W.and(a, W.sub(W.i64(0), W.and(b, W.i64(1))))))
  code.set(low, W.or(W.shrU(low, W.i64(1)), W.shl(high, W.i64(63))))
  code.set(high, W.shrU(high, W.i64(1)))
  code.set(b, W.shrU(b, W.i64(1)))
  code.set(left, W.sub(left, W.i32(1)))
  code.branchIf(again, left)
  code.end()
  code.expression(W.simd(0x1e, V128, [W.simd(0x1e, V128, [W.v128Const(new Uint8Array(16)), low], 0), high], 1))
  module.define(index, code)
}

export function defineHelpers(module: ModuleBuilder, helpers: Helpers): void {
  const spill = new Code(2)
  spill.store(STORE.i32, ZERO, parameter(0), HOT.RECORD)
  spill.store(STORE.i32, ZERO, parameter(1), HOT.CREDIT)
  spill.store(STORE.i64, ZERO, addressOfRecord(parameter(0)), HOT.PC)
  module.define(helpers.spill, spill)

  const fpTrap = new Code(2)
  fpTrap.callVoid(helpers.spill, parameter(0), parameter(1))
  fpTrap.callVoid(helpers.imports['fpAccess']!)
  module.define(helpers.fpTrap, fpTrap)

  for (const size of ACCESS_SIZES) {
    defineRead(module, helpers, size)
    defineWrite(module, helpers, size)
  }
  defineSetExclusive(module, helpers)
  defineStoreExclusive(module, helpers)
  defineCrc(module, helpers.crc32, CRC_TABLES)
  defineCrc(module, helpers.crc32c, CRC_TABLES + 1024)
  defineCarrylessMultiply(module, helpers.carrylessMultiply)
  definePointerCodes(module, helpers)
}
