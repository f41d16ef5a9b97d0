import fc from 'fast-check'
import { expect, test } from 'vitest'
import { registerFileOver } from '../arch/register-file.ts'
import * as algorithm from '../isa/pauth-algorithm.ts'
import { PAC_KEYS, PointerCodes, POINTER_CODES, definePointerCodes, pointerTable } from './pointer-codes.ts'
import { ModuleBuilder } from './wasm/module.ts'

const memory = new WebAssembly.Memory({ initial: 1 }), codes = new PointerCodes(memory.buffer), KEYS_AT = 0x2000
const module = new ModuleBuilder()
module.importMemory()
definePointerCodes(module, Object.fromEntries(Object.entries(POINTER_CODES).map(([name, signature]) => [name, module.declare(...signature, name)])) as Record<keyof typeof POINTER_CODES, number>)
const made = new WebAssembly.Instance(new WebAssembly.Module(module.toBytes()), { env: { memory } }).exports as Record<string, (...args: (number | bigint)[]) => bigint>
const call = (name: keyof typeof POINTER_CODES, ...args: (number | bigint)[]): bigint => BigInt.asUintN(64, made[name]!(...args))

const u64 = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn })
/** Pointers that are canonical or nearly so are the interesting ones. */
const pointers = fc.oneof(u64, u64.map(x => x & 0xffff_ffff_ffffn), u64.map(x => x | 0xffff_0000_0000_0000n))
const layouts: fc.Arbitrary<algorithm.PointerLayout> = fc.record({
  tbi: fc.tuple(fc.boolean(), fc.boolean()), bottom: fc.tuple(fc.integer({ min: 25, max: 52 }), fc.integer({ min: 25, max: 52 })), twoRanges: fc.boolean(),
})

test('generated code computes what isa/pauth-algorithm.ts computes', () => {
  const file = registerFileOver(memory.buffer, KEYS_AT, 10)
  codes.setKeys(PAC_KEYS.flatMap((_, i) => [KEYS_AT + 16 * i, KEYS_AT + 16 * i + 8]))
  codes.enabled = 31
  fc.assert(fc.property(pointers, u64, fc.array(u64, { minLength: 10, maxLength: 10 }), layouts, layouts, (pointer, modifier, values, code, data) => {
    file.u64.set(values)
    codes.setTable(pointerTable([code, data]))
    PAC_KEYS.forEach((name, number) => {
      const key = { low: values[2 * number]!, high: values[2 * number + 1]! }, layout = name.startsWith('D') ? data : code
      if (name === 'GA') return expect(call('genericPAC', pointer, modifier)).toBe(algorithm.genericPAC(pointer, modifier, key))
      const signed = algorithm.addPAC(pointer, modifier, key, layout)
      expect(call('addPAC', number, pointer, modifier)).toBe(signed)
      for (const each of [signed, pointer]) expect(call('authenticate', number, each, modifier)).toBe(algorithm.authenticate(each, modifier, key, name.endsWith('B') ? 1 : 0, layout))
    })
    expect(call('strip', 0, pointer)).toBe(algorithm.strip(pointer, code))
    expect(call('strip', 1, pointer)).toBe(algorithm.strip(pointer, data))
  }), { numRuns: 300 })
})

test('a key that is not enabled leaves the pointer alone', () => {
  codes.enabled = 1
  expect(call('addPAC', 0, 0x1000n, 5n)).not.toBe(0x1000n)
  for (const name of ['addPAC', 'authenticate'] as const) expect(call(name, 3, 0x1000n, 5n)).toBe(0x1000n)
})
