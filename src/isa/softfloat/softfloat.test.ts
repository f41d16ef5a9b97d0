import { describe, expect, test } from 'vitest'
import type { FpName, FpOperation } from '../fp-operation.ts'
import { fpCode, fpOperationOf } from '../fp-operation.ts'
import { floatingPoint } from '../testing/floats.ts'
import { Random } from '../testing/random.ts'
import { Environment, evaluate, FPCR, FPSR } from './index.ts'

const view = new DataView(new ArrayBuffer(8))
const bits64 = (x: number): bigint => { view.setFloat64(0, x); return view.getBigUint64(0) }
const bits32 = (x: number): bigint => { view.setFloat32(0, x); return BigInt(view.getUint32(0)) }
const number64 = (bits: bigint): number => { view.setBigUint64(0, bits); return view.getFloat64(0) }
const number32 = (bits: bigint): number => { view.setUint32(0, Number(bits)); return view.getFloat32(0) }

const { IOC, DZC, OFC, UFC, IXC, IDC } = FPSR
const UP = 1 << FPCR.RMODE_SHIFT, DOWN = 2 << FPCR.RMODE_SHIFT, ZERO = 3 << FPCR.RMODE_SHIFT
const double = (name: FpName, more: Partial<FpOperation> = {}): FpOperation => ({ name, bits: 64, ...more })
const single = (name: FpName, more: Partial<FpOperation> = {}): FpOperation => ({ name, bits: 32, ...more })
const half: FpOperation = { name: 'FPConvert', bits: 32, to: 16 }
const b = bits64, s = bits32
const QNAN = 0x7ff8_0000_0000_0001n, SNAN = 0x7ff0_0000_0000_0001n, DEFAULT = 0x7ff8_0000_0000_0000n, INF = b(Infinity), MAX = b(Number.MAX_VALUE), TINY = 2n

describe('cases', () => {
  test.each<readonly [string, FpOperation, readonly bigint[], number, bigint, number]>([
    ['a signalling NaN comes before a quiet one', double('FPAdd'), [QNAN, SNAN], 0, SNAN | (1n << 51n), IOC],
    ['the first quiet NaN', double('FPMul'), [QNAN | 2n, QNAN], 0, QNAN | 2n, 0],
    ['default NaN', double('FPMul'), [QNAN | 2n, QNAN], FPCR.DN, DEFAULT, 0],
    ['a negative NaN is subtracted as it is', double('FPSub'), [b(1), QNAN | (1n << 63n)], 0, QNAN | (1n << 63n), 0],
    ['infinity minus infinity', double('FPSub'), [INF, INF], 0, DEFAULT, IOC],
    ['x - x is +0', double('FPSub'), [b(3), b(3)], 0, 0n, 0],
    ['x - x is -0 downwards', double('FPSub'), [b(3), b(3)], DOWN, b(-0), 0],
    ['infinity times 0', double('FPMul'), [INF, b(-0)], 0, DEFAULT, IOC],
    ['infinity times 0, extended', double('FPMulX'), [INF, b(-0)], 0, b(-2), 0],
    ['1 / 0', double('FPDiv'), [b(-1), b(0)], 0, b(-Infinity), DZC],
    ['0 / 0', double('FPDiv'), [b(0), b(0)], 0, DEFAULT, IOC],
    ['overflow', double('FPMul'), [MAX, b(2)], 0, INF, OFC | IXC],
    ['overflow towards zero', double('FPMul'), [MAX, b(-2)], ZERO, b(-Number.MAX_VALUE), OFC | IXC],
    ['an exact denormal number', double('FPMul'), [b(2 ** -1022), b(0.5)], 0, b(2 ** -1023), 0],
    ['underflow', double('FPMul'), [TINY, b(0.75)], 0, 2n, UFC | IXC],
    ['tiny before rounding', double('FPMul'), [b(1 - 2 ** -53), b(2 ** -1022)], 0, b(2 ** -1022), UFC | IXC],
    ['a result flushed to zero', double('FPMul'), [b(2 ** -1022), b(-0.5)], FPCR.FZ, b(-0), UFC],
    ['an operand flushed to zero', double('FPAdd'), [TINY, b(1)], FPCR.FZ, b(1), IDC],
    ['square root of -0', double('FPSqrt'), [b(-0)], 0, b(-0), 0],
    ['square root of -1', double('FPSqrt'), [b(-1)], 0, DEFAULT, IOC],
    ['one rounding', double('FPMulAdd'), [b(-(1 + 2 ** -29)), b(1 + 2 ** -30), b(1 + 2 ** -30)], 0, b(2 ** -60), 0],
    ['infinity times 0 plus a quiet NaN', double('FPMulAdd'), [QNAN, INF, b(0)], 0, DEFAULT, IOC],
    ['maximum of zeros', double('FPMax'), [b(-0), b(0)], 0, b(0), 0],
    ['maximum with a quiet NaN', double('FPMaxNum'), [QNAN, b(5)], 0, b(5), 0],
    ['maximum with a signalling NaN', double('FPMaxNum'), [SNAN, b(5)], 0, SNAN | (1n << 51n), IOC],
    ['unordered', double('FPCompare'), [QNAN, b(5)], 0, 3n, 0],
    ['unordered and signalled', double('FPCompareSignalling'), [QNAN, b(5)], 0, 3n, IOC],
    ['-0 equals 0', double('FPCompare'), [b(-0), b(0)], 0, 6n, 0],
    ['2.5 to even', double('FPRoundInt', { rounding: 'TIEEVEN' }), [b(2.5)], 0, b(2), 0],
    ['2.5 away', double('FPRoundInt', { rounding: 'TIEAWAY' }), [b(2.5)], 0, b(3), 0],
    ['-0.25 up, exactly', double('FPRoundInt', { rounding: 'FPCR', exact: true }), [b(-0.25)], UP, b(-0), IXC],
    ['2^31 saturates', double('FPToFixed', { to: 32, rounding: 'ZERO' }), [b(2 ** 31), 0n], 0, 0x7fff_ffffn, IOC],
    ['-0.5 to unsigned', double('FPToFixed', { to: 32, rounding: 'ZERO', unsigned: true }), [b(-0.5), 0n], 0, 0n, IXC],
    ['1.5 with four fraction bits', double('FPToFixed', { to: 32, rounding: 'ZERO' }), [b(1.5), 4n], 0, 24n, 0],
    ['24 with four fraction bits', double('FixedToFP', { from: 32 }), [24n, 4n], 0, b(1.5), 0],
    ['2^53 + 1', double('FixedToFP', { from: 64 }), [(1n << 53n) + 1n, 0n], 0, b(2 ** 53), IXC],
    ['2^32 + 1 as ToInt32', double('FPToFixedJS'), [b(2 ** 32 + 1), 0n], 0, 1n, IOC],
    ['-0 as ToInt32', double('FPToFixedJS'), [b(-0)], 0, 0n, 0],
    ['7 as ToInt32', double('FPToFixedJS'), [b(7)], 0, 7n | (1n << 32n), 0],
    ['to odd', double('FPConvert', { to: 32, rounding: 'ODD' }), [b(1 + 2 ** -52)], 0, s(1) | 1n, IXC],
    ['65520 overflows half', half, [s(65520)], 0, 0x7c00n, OFC | IXC],
    ['65520 fits alternative half', half, [s(65520)], FPCR.AHP, 0x7c00n, IXC],
    ['infinity saturates alternative half', half, [s(Infinity)], FPCR.AHP, 0x7fffn, IOC],
    ['NaN becomes alternative zero', half, [0xffc0_0000n], FPCR.AHP, 0x8000n, IOC],
    ['half denormals are not flushed', { name: 'FPConvert', bits: 16, to: 32 }, [1n], FPCR.FZ, s(2 ** -24), 0],
    ['estimate of 1 / 1', single('FPRecipEstimate'), [s(1)], 0, 0x3f7f_8000n, 0],
    ['estimate of 1 / 2^-128', single('FPRecipEstimate'), [1n << 20n], 0, s(Infinity), OFC | IXC],
    ['estimate of 1 / sqrt(4)', single('FPRSqrtEstimate'), [s(4)], 0, 0x3eff_8000n, 0],
    ['2 - 1 * 1', single('FPRecipStepFused'), [s(1), s(1)], 0, s(1), 0],
    ['(3 - 1 * 1) / 2', single('FPRSqrtStepFused'), [s(1), s(1)], 0, s(1), 0],
    ['exponent turned over', single('FPRecpX'), [s(1)], 0, 0x4000_0000n, 0],
  ])('%s', (_, operation, operands, fpcr, value, flags) => {
    const environment = new Environment(fpcr)
    expect(evaluate(operation, environment, ...operands as [bigint])).toBe(value)
    expect(environment.flags).toBe(flags)
    expect(evaluate(fpOperationOf(fpCode(operation)), new Environment(fpcr), ...operands as [bigint])).toBe(value)
  })
})

describe('round to nearest is what JavaScript does', () => {
  const binary: readonly (readonly [FpName, (x: number, y: number) => number])[] =
    [['FPAdd', (x, y) => x + y], ['FPSub', (x, y) => x - y], ['FPMul', (x, y) => x * y], ['FPDiv', (x, y) => x / y], ['FPSqrt', x => Math.sqrt(x)]]
  test.each(binary)('%s', (name, of) => {
    const r = new Random(name.length)
    for (let i = 0; i < 1000; i++) {
      const x = floatingPoint(r, 64), y = floatingPoint(r, 64), expected = of(number64(x), number64(y)), value = evaluate(double(name), new Environment(0), x, y)
      if (Number.isNaN(expected)) expect(Number.isNaN(number64(value))).toBe(true)
      else expect(value).toBe(bits64(expected))
      // The double result of singles is precise enough to be rounded again.
      const u = floatingPoint(r, 32), v = floatingPoint(r, 32), narrow = of(number32(u), number32(v)), narrowValue = evaluate(single(name), new Environment(0), u, v)
      if (!Number.isNaN(narrow)) expect(narrowValue).toBe(bits32(narrow))
    }
  })
})
