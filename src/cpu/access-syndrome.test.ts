import { expect, test } from 'vitest'
import { instructionSyndrome } from './access-syndrome.ts'

test.each<[string, number, ReturnType<typeof instructionSyndrome>]>([
  ['ldr w0, [x1]', 0xb9400020, { sas: 2, sse: false, srt: 0, sf: false, ar: false }],
  ['str x3, [x1, #8]', 0xf9000423, { sas: 3, sse: false, srt: 3, sf: true, ar: false }],
  ['ldrb w2, [x1, x4]', 0x38646822, { sas: 0, sse: false, srt: 2, sf: false, ar: false }],
  ['ldrsh x5, [x1]', 0x79800025, { sas: 1, sse: true, srt: 5, sf: true, ar: false }],
  ['ldrsb w5, [x1]', 0x39c00025, { sas: 0, sse: true, srt: 5, sf: false, ar: false }],
  ['ldrsw x5, [x1]', 0xb9800025, { sas: 2, sse: true, srt: 5, sf: true, ar: false }],
  ['ldur w6, [x1, #-4]', 0xb85fc026, { sas: 2, sse: false, srt: 6, sf: false, ar: false }],
  ['ldtr w6, [x1]', 0xb8400826, { sas: 2, sse: false, srt: 6, sf: false, ar: false }],
  ['ldar w7, [x1]', 0x88dffc27, { sas: 2, sse: false, srt: 7, sf: false, ar: true }],
  ['stlr x7, [x1]', 0xc89ffc27, { sas: 3, sse: false, srt: 7, sf: true, ar: true }],
  ['ldapr w7, [x1]', 0xb8bfc027, { sas: 2, sse: false, srt: 7, sf: false, ar: true }],
  ['ldr w0, [x1], #4 (writeback)', 0xb8404420, undefined],
  ['ldr w0, [x1, #4]! (writeback)', 0xb8404c20, undefined],
  ['ldp x0, x1, [x2]', 0xa9400440, undefined],
  ['ldxr w0, [x1]', 0x885f7c20, undefined],
  ['ldadd w0, w1, [x2]', 0xb8200041, undefined],
  ['ldr q0, [x1]', 0x3dc00020, undefined],
  ['prfm pldl1keep, [x1]', 0xf9800020, undefined],
])('%s', (_text, word, expected) => expect(instructionSyndrome(word)).toEqual(expected))
