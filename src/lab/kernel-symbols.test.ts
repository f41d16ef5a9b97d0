import { expect, test } from 'vitest'
import { kernelSymbols } from './kernel-symbols.ts'

test('an Image without symbols names nothing', () => {
  expect(kernelSymbols(new Uint8Array(4096), [0xffff_8000_0000_0010n])(0xffff_8000_0000_0010n)).toBeUndefined()
})
