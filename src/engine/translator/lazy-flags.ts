/**
 * NZCV in regions: kept as the operation that set it and its operands, and computed when somebody needs it. At run time the operation
 * is a number, so that leaving a region has one place that computes the flags; within a block it is known when the code is made.
 */
import { CONDITION_MASKS, conditionHolds, nzcvOf } from '../flags.ts'
import type { FlagOperation } from '../recorder.ts'
import * as W from '../wasm/expression.ts'
import { I32, I64 } from '../wasm/expression.ts'
import type { Expression } from '../wasm/expression.ts'

type LazyOperation = 'sub' | 'add' | 'logical'

export interface Producer { readonly operation: LazyOperation, readonly width: 32 | 64, readonly a: Expression, readonly b: Expression }

/** Numbers of the operations; 0: the packed flags are up to date. */
export const PACKED = 0
const NUMBERS: Readonly<Record<LazyOperation, number>> = { sub: 1, add: 3, logical: 5 }
export const producerNumber = (operation: LazyOperation, width: 32 | 64): number => NUMBERS[operation] + (width === 64 ? 0 : 1)
export const isLazy = (operation: FlagOperation): operation is LazyOperation => operation === 'sub' || operation === 'add' || operation === 'logical'

/** The producer with this number, with its operands in 64-bit locals. */
export function producerOf(number: number, a: Expression, b: Expression): Producer {
  const operation = (['sub', 'add', 'logical'] as const)[(number - 1) >> 1]!, width = (number & 1) === 1 ? 64 : 32
  return width === 64 ? { operation, width, a, b } : { operation, width, a: W.wrap(a), b: W.wrap(b) }
}

const resultOf = ({ operation, a, b }: Producer): Expression => operation === 'sub' ? W.sub(a, b) : operation === 'add' ? W.add(a, b) : a

export const packedOf = (producer: Producer): Expression => nzcvOf(producer.operation, producer.a, producer.b, W.i32(0), resultOf(producer))

export function carryOf(producer: Producer): Expression {
  const { operation, a, b } = producer
  return operation === 'sub' ? W.geU(a, b) : operation === 'add' ? W.ltU(W.add(a, b), a) : W.i32(0)
}

/** Whether `cond` holds; undefined when it takes the packed flags. */
export function conditionOf(producer: Producer, cond: number): Expression | undefined {
  const { operation, a, b } = producer
  const result = resultOf(producer), zero = W.constant(a.type === I64 ? I64 : I32, 0)
  if (operation === 'sub') {
    switch (cond) {
      case 0: return W.eq(a, b)
      case 1: return W.ne(a, b)
      case 2: return W.geU(a, b)
      case 3: return W.ltU(a, b)
      case 8: return W.gtU(a, b)
      case 9: return W.leU(a, b)
      case 10: return W.geS(a, b)
      case 11: return W.ltS(a, b)
      case 12: return W.gtS(a, b)
      case 13: return W.leS(a, b)
      default:
    }
  }
  switch (cond) {
    case 0: return W.eqz(result)
    case 1: return W.ne(result, zero)
    case 4: return W.ltS(result, zero)
    case 5: return W.geS(result, zero)
    default:
  }
  if (operation === 'add') return cond === 2 ? W.ltU(result, a) : cond === 3 ? W.geU(result, a) : undefined
  if (operation !== 'logical') return undefined
  // C = V = 0.
  switch (cond) {
    case 2: case 6: case 8: return W.i32(0)
    case 3: case 7: case 9: return W.i32(1)
    case 10: return W.geS(result, zero)
    case 11: return W.ltS(result, zero)
    case 12: return W.gtS(result, zero)
    case 13: return W.leS(result, zero)
    default: return undefined
  }
}

export const packedCondition = (cond: number, nzcv: Expression): Expression => conditionHolds(W.i32(CONDITION_MASKS[cond]!), nzcv)
