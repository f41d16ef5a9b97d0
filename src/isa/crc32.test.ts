import { expect, test } from 'vitest'
import { crc32 } from './crc32.ts'

// The check value of a CRC is the CRC of "123456789", with inversion before and after that the instructions leave to software.
const check = (castagnoli: boolean): number =>
  (~[...'123456789'].reduce((crc, c) => crc32(castagnoli, 8, crc, BigInt(c.charCodeAt(0))), 0xffff_ffff)) >>> 0

test('check values', () => {
  expect(check(false)).toBe(0xcbf4_3926)
  expect(check(true)).toBe(0xe306_9283)
})

test('a wide value is its bytes, lowest first', () => {
  const bytes = [0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01].reduce((crc, byte) => crc32(false, 8, crc, BigInt(byte)), 7)
  expect(crc32(false, 64, 7, 0x0123_4567_89ab_cdefn)).toBe(bytes)
})
