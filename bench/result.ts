/** What `npm run bench` prints (design section 5). */
export interface BenchRow {
  readonly name: string
  readonly nidusCpuS: number
  readonly qemuCpuS: number | null
  /** Nidus / QEMU: below 1 is faster. */
  readonly ratio: number | null
  /** (largest - smallest) / median of Nidus's runs. */
  readonly spread: number
  /** Further figures of this row, e.g. traps per second. */
  readonly [figure: string]: string | number | null
}

export interface BenchResult {
  readonly what: string
  readonly rows: readonly BenchRow[]
  /** Geometric mean of the rows' ratios; null where QEMU did not run. */
  readonly ratio: number | null
}

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
export const spreadOf = (values: readonly number[]): number => Math.round((Math.max(...values) - Math.min(...values)) / median(values) * 1000) / 1000

export function geometricMean(rows: readonly BenchRow[]): number | null {
  const ratios = rows.map(row => row.ratio)
  return ratios.length === 0 || ratios.includes(null) ? null : Math.exp(ratios.reduce<number>((sum, ratio) => sum + Math.log(ratio!), 0) / ratios.length)
}
