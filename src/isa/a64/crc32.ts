/** CRC32 and CRC32C (FEAT_CRC32), of the two-source data processing class. */
import { instruction, type Row } from '../instruction.ts'

export const crc32Rows: readonly Row[] = ([['CRC32', 0], ['CRC32C', 1]] as const).flatMap(([name, C]) => [
  ...([['B', '00', 8], ['H', '01', 16], ['W', '10', 32]] as const).map(([suffix, sz, bits]) =>
    instruction(`${name}${suffix}`, `${name}${suffix} <Wd>, <Wn>, <Wm>`, `0 0 0 11010110 Rm:5 010 ${C} ${sz} Rn:5 Rd:5`, { feature: 'FEAT_CRC32' },
      (_, s) => { s.setX('Rd', 32, s.crc32(C === 1, bits, s.X('Rn', 32), s.zeroExtend(s.X('Rm', 32)))) })),
  instruction(`${name}X`, `${name}X <Wd>, <Wn>, <Xm>`, `1 0 0 11010110 Rm:5 010 ${C} 11 Rn:5 Rd:5`, { feature: 'FEAT_CRC32' },
    (_, s) => { s.setX('Rd', 32, s.crc32(C === 1, 64, s.X('Rn', 32), s.X('Rm', 64))) }),
])
