/** Two guest hypervisors side by side: the traps of the same operation, aligned by what is accessed. */
import type { WhyLine } from './operations.ts'

/** A trap of both, or of one of the two. */
export interface ComparedTrap { readonly left: WhyLine | undefined, readonly right: WhyLine | undefined }

export interface AccessDifference {
  /** `SPSR_EL2 read`. */
  readonly access: string
  readonly left: number
  readonly right: number
}

/** What a line is compared by: the same access by another route is the same. */
export const accessOf = ({ register, direction }: WhyLine): string => direction === null ? register : `${register} ${direction}`

/** The longest common subsequence of both lists, with what stands between: of the left first. */
export function alignTraps(left: readonly WhyLine[], right: readonly WhyLine[]): ComparedTrap[] {
  const a = left.map(accessOf), b = right.map(accessOf)
  // longest[i][j]: of what is behind i and j.
  const longest = Array.from({ length: a.length + 1 }, () => Array.from({ length: b.length + 1 }, () => 0))
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) longest[i]![j] = a[i] === b[j] ? 1 + longest[i + 1]![j + 1]! : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!)
  }
  const result: ComparedTrap[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length;) {
    if (i < a.length && j < b.length && a[i] === b[j]) result.push({ left: left[i++], right: right[j++] })
    else if (j === b.length || (i < a.length && longest[i + 1]![j]! >= longest[i]![j + 1]!)) result.push({ left: left[i++], right: undefined })
    else result.push({ left: undefined, right: right[j++] })
  }
  return result
}

/** Accesses that the two do not make equally often, the largest difference first, then by name. */
export function differences(left: readonly WhyLine[], right: readonly WhyLine[]): AccessDifference[] {
  const counts = new Map<string, [number, number]>()
  for (const [side, lines] of [left, right].entries()) {
    for (const line of lines) {
      const access = accessOf(line), count = counts.get(access) ?? [0, 0]
      count[side]!++
      counts.set(access, count)
    }
  }
  return [...counts].filter(([, [l, r]]) => l !== r).map(([access, [l, r]]) => ({ access, left: l, right: r }))
    .sort((x, y) => Math.abs(y.left - y.right) - Math.abs(x.left - x.right) || (x.access < y.access ? -1 : 1))
}
