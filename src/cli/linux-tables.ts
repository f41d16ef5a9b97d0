/** Tables of `nidus paper --l1`: a Linux kernel as the guest hypervisor, and its traps beside those of mini-kvm. */
import { BENCHMARKS } from '../lab/benchmarks.ts'
import { accessOf, alignTraps, differences } from '../lab/compare.ts'
import type { PaperRow } from '../lab/paper.ts'
import { formatTable, grouped } from './table.ts'

const count = (row: PaperRow | undefined): string => row === undefined || row.commonest === null ? '' : `${row.commonest} (${row.traps!.toFixed(2)})`

/** Commonest number of traps of one operation and, in brackets, the mean, which has the ticks of L1's timer in it; cycles below. */
export function linuxTable(rows: readonly PaperRow[], l1: string): string {
  const nested = rows.filter(({ level }) => level === 'nested'), configurations = [...new Map(nested.map(row => [`${row.arch} ${row.paravirt} ${row.guest}`, row])).values()]
  const of = (what: (row: PaperRow | undefined) => string): string[][] => configurations.map(({ arch, paravirt, guest, gic }) =>
    [`${arch}${paravirt === null ? '' : ` paravirtual ${paravirt}`}, ${guest === 'vhe' ? 'VHE' : 'nVHE'}, GIC${gic}`, ...BENCHMARKS.map(benchmark => what(nested.find(row => row.arch === arch && row.paravirt === paravirt && row.guest === guest && row.benchmark === benchmark)))])
  const header = ['', ...BENCHMARKS], right = ['left', ...BENCHMARKS.map(() => 'right' as const)] as const
  return [
    `Linux as the guest hypervisor: ${l1}`, '',
    'Traps to the host hypervisor per operation: the commonest count and, in brackets, the mean, which has the ticks of the guest hypervisor\'s timer in it.', '',
    formatTable(header, of(count), right), '',
    'Cycles per operation (modelled, mean)', '',
    formatTable(header, of(row => row === undefined || row.cycles === null ? '' : grouped(row.cycles)), right),
  ].join('\n')
}

/** The traps of one operation side by side; what only one of the two does stands in its column alone. */
export function compareTable(left: PaperRow, right: PaperRow, configuration: string, l1: string, against = 'mini-kvm'): string {
  const a = left.why ?? [], b = right.why ?? []
  const lines = alignTraps(a, b).map(({ left: l, right: r }, i) => [String(i + 1), l?.symbol?.replace(/\+0x.*/, '') ?? '', l === undefined ? '' : accessOf(l), r === undefined ? '' : accessOf(r), r?.symbol?.replace(/\+0x.*/, '') ?? ''])
  const common = lines.filter(([, , l, r]) => l !== '' && r !== '').length
  return [
    `One ${left.benchmark} on ${configuration}: ${against} ${a.length} traps, ${l1} ${b.length}, ${common} of them the same and in the same order.`, '',
    formatTable(['#', `function of ${against}`, against, l1, `function of ${l1}`], lines, ['right']), '',
    'Accesses that the two do not make equally often:', '',
    formatTable(['access', against, l1], differences(a, b).map(each => [each.access, String(each.left), String(each.right)]), ['left', 'right', 'right']),
  ].join('\n')
}
