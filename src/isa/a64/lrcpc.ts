/** Load-acquire RCpc: LDAPR (FEAT_LRCPC), LDAPUR and STLUR (FEAT_LRCPC2). */
import { instruction, type Row } from '../instruction.ts'
import { signed } from './common.ts'
import { isvOf, transfer, TRANSFERS } from './transfer.ts'

const LOADS = TRANSFERS.filter(t => t.kind === 'load')

export const lrcpc: readonly Row[] = [
  ...LOADS.map(t => {
    const name = t.name.replace('*', 'APR')
    return instruction(name, `${name} ${t.register}, [<Xn|SP>]`, `${t.size} 111 0 00 1 0 1 11111 1 100 00 Rn:5 Rt:5`, { feature: 'FEAT_LRCPC' }, (f, s) => {
      s.checkSPAlignment('Rn')
      const fields = { sf: f.sf, opc0: 0 }
      transfer(s, t, fields, s.XSP('Rn', 64), { ordered: true, isv: isvOf(t, fields, true) })
    })
  }),
  ...TRANSFERS.map(t => {
    const name = t.name.replace('*', t.kind === 'store' ? 'LUR' : 'APUR')
    return instruction(name, `${name} ${t.register}, [<Xn|SP><?imm9:, <#offset>>]`, `${t.size} 011001 ${t.opc} 0 imm9:9 00 Rn:5 Rt:5`, {
      feature: 'FEAT_LRCPC2', immediates: { offset: { width: 32, of: f => signed(f.imm9, 9) } },
    }, (f, s) => {
      s.checkSPAlignment('Rn')
      transfer(s, t, f, s.add(64, s.XSP('Rn', 64), s.imm('offset', 64)), { ordered: true, isv: isvOf(t, f, true) })
    })
  }),
]
