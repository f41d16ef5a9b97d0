import { describe, expect, test } from 'vitest'
import { BadInput } from '../bad-input.ts'
import { moduleFile } from './kernel-module.test-support.ts'
import { readModuleInfo } from './kernel-module.ts'

describe('readModuleInfo', () => {
  test('name, dependencies, wishes and aliases', () => {
    expect(readModuleInfo(moduleFile('license=GPL\0softdep=pre: crc32c one-two post: late\0alias=fs-ext4\0alias=ext3\0depends=jbd2,mb-cache\0name=ext4\0'))).toEqual({
      name: 'ext4', depends: ['jbd2', 'mb_cache'], wishes: ['crc32c', 'one_two'], aliases: ['fs-ext4', 'ext3'],
    })
    expect(readModuleInfo(moduleFile('depends=\0name=virtio-rng\0'))).toEqual({ name: 'virtio_rng', depends: [], wishes: [], aliases: [] })
  })
  test('damaged files', () => {
    expect(() => readModuleInfo(new TextEncoder().encode('text'))).toThrow(/not a little-endian ELF64/)
    expect(() => readModuleInfo(moduleFile('depends=\0'))).toThrow(/does not say its name/)
    const whole = moduleFile('name=x\0')
    for (let length = 0; length < whole.length; length++) expect(() => readModuleInfo(whole.subarray(0, length))).toThrow(BadInput)
  })
})
