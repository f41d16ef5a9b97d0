/** IEEE 754 as the Arm ARM defines it, bit exact, on BigInt: the meaning of every `FpOperation`. */
import type { FpOperation } from '../fp-operation.ts'
import { add, compare, divide, extreme, multiply, multiplyAdd, squareRoot, step } from './arithmetic.ts'
import { convert, fromFixed, roundToIntegral, toFixed, toFixedJS } from './convert.ts'
import { recipEstimateFP, recpX, rsqrtEstimateFP, unsignedRSqrtEstimate, unsignedRecipEstimate } from './estimate.ts'
import { Environment, FORMATS } from './number.ts'

export { Environment, FPCR, FPSR } from './number.ts'

const allOnes = (condition: boolean, bits: number): bigint => condition ? (1n << BigInt(bits)) - 1n : 0n

/** Result of `o` for operands of `o.bits`; the exceptions are raised in `env`. */
export function evaluate(o: FpOperation, env: Environment, a: bigint, b = 0n, c = 0n): bigint {
  const f = FORMATS[o.bits]
  switch (o.name) {
    case 'FPAdd': return add(f, a, b, false, env)
    case 'FPSub': return add(f, a, b, true, env)
    case 'FPMul': return multiply(f, a, b, false, env)
    case 'FPMulX': return multiply(f, a, b, true, env)
    case 'FPDiv': return divide(f, a, b, env)
    case 'FPMax': return extreme(f, a, b, true, false, env)
    case 'FPMin': return extreme(f, a, b, false, false, env)
    case 'FPMaxNum': return extreme(f, a, b, true, true, env)
    case 'FPMinNum': return extreme(f, a, b, false, true, env)
    case 'FPRecipStepFused': return step(f, a, b, false, env)
    case 'FPRSqrtStepFused': return step(f, a, b, true, env)
    case 'FPMulAdd': return multiplyAdd(f, a, b, c, env)
    case 'FPSqrt': return squareRoot(f, a, env)
    case 'FPRecipEstimate': return recipEstimateFP(f, a, env)
    case 'FPRSqrtEstimate': return rsqrtEstimateFP(f, a, env)
    case 'FPRecpX': return recpX(f, a, env)
    case 'FPCompareEQ': return allOnes(compare(f, a, b, false, env) === 0b0110, o.bits)
    case 'FPCompareGE': return allOnes([0b0110, 0b0010].includes(compare(f, a, b, true, env)), o.bits)
    case 'FPCompareGT': return allOnes(compare(f, a, b, true, env) === 0b0010, o.bits)
    case 'FPCompare': return BigInt(compare(f, a, b, false, env))
    case 'FPCompareSignalling': return BigInt(compare(f, a, b, true, env))
    case 'FPRoundInt': return roundToIntegral(f, a, o.rounding ?? 'FPCR', o.exact ?? false, env)
    case 'FPToFixed': return toFixed(f, a, Number(b), o.to!, o.unsigned ?? false, o.rounding ?? 'FPCR', env)
    case 'FixedToFP': return fromFixed(f, a, Number(b), o.from!, o.unsigned ?? false, env)
    case 'FPConvert': return convert(f, FORMATS[o.to!], a, o.rounding ?? 'FPCR', env)
    case 'FPToFixedJS': return toFixedJS(f, a, env)
    case 'UnsignedRecipEstimate': return unsignedRecipEstimate(a)
    case 'UnsignedRSqrtEstimate': return unsignedRSqrtEstimate(a)
  }
}
