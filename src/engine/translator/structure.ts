/**
 * The order in which blocks are written as structured code ("Beyond Relooper", Ramsey 2022): reverse postorder, dominator tree, loop
 * headers, and merge nodes, which more than one forward edge reaches. Edges into the middle of a loop are cut: they leave the region.
 */
import type { Region } from './region.ts'

export interface Structure {
  readonly entry: number
  /** Position in reverse postorder; blocks that cannot be reached have none. */
  readonly order: ReadonlyMap<number, number>
  /** Children in the dominator tree, in reverse postorder. */
  readonly children: ReadonlyMap<number, readonly number[]>
  readonly headers: ReadonlySet<number>
  readonly merges: ReadonlySet<number>
  /** Whether the region goes from one block to the other by itself. */
  hasEdge(from: number, to: number): boolean
}

function reversePostorder(entry: number, successors: (block: number) => readonly number[]): number[] {
  const done: number[] = [], seen = new Set([entry])
  const stack: { readonly block: number, next: number }[] = [{ block: entry, next: 0 }]
  while (stack.length > 0) {
    const top = stack[stack.length - 1]!, list = successors(top.block)
    if (top.next === list.length) {
      done.push(top.block)
      stack.pop()
      continue
    }
    const successor = list[top.next++]!
    if (seen.has(successor)) continue
    seen.add(successor)
    stack.push({ block: successor, next: 0 })
  }
  return done.reverse()
}

/** Cooper, Harvey, Kennedy: immediate dominators as positions in the order. */
function dominators(order: readonly number[], position: ReadonlyMap<number, number>, predecessors: ReadonlyMap<number, readonly number[]>): number[] {
  const idom: number[] = [0]
  const meet = (a: number, b: number): number => {
    while (a !== b) {
      while (a > b) a = idom[a]!
      while (b > a) b = idom[b]!
    }
    return a
  }
  for (let changed = true; changed;) {
    changed = false
    for (let i = 1; i < order.length; i++) {
      let best: number | undefined
      for (const from of predecessors.get(order[i]!) ?? []) {
        const p = position.get(from)!
        if (idom[p] !== undefined) best = best === undefined ? p : meet(best, p)
      }
      if (idom[i] !== best) {
        idom[i] = best!
        changed = true
      }
    }
  }
  return idom
}

export function structureOf({ entry, blocks }: Region): Structure {
  const cut = new Set<string>()
  const key = (from: number, to: number): string => `${from} ${to}`
  for (;;) {
    const successors = (block: number): readonly number[] => blocks.get(block)!.successors.filter(to => !cut.has(key(block, to)))
    const order = reversePostorder(entry, successors)
    const position = new Map(order.map((block, i) => [block, i]))
    const predecessors = new Map<number, number[]>()
    for (const from of order) for (const to of successors(from)) predecessors.set(to, [...(predecessors.get(to) ?? []), from])
    const idom = dominators(order, position, predecessors)
    const dominates = (a: number, b: number): boolean => {
      while (b > a) b = idom[b]!
      return a === b
    }
    const headers = new Set<number>(), merges = new Set<number>()
    const before = cut.size
    for (const to of order) {
      let forward = 0
      for (const from of predecessors.get(to) ?? []) {
        const target = position.get(to)!, source = position.get(from)!
        if (source < target) forward++
        else if (dominates(target, source)) headers.add(to)
        else cut.add(key(from, to))
      }
      if (forward > 1) merges.add(to)
    }
    if (cut.size > before) continue
    const children = new Map<number, number[]>(order.map(block => [block, []]))
    for (let i = 1; i < order.length; i++) children.get(order[idom[i]!]!)!.push(order[i]!)
    return { entry, order: position, children, headers, merges, hasEdge: (from, to) => position.has(to) && blocks.get(from)!.successors.includes(to) && !cut.has(key(from, to)) }
  }
}
