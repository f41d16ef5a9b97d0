/**
 * Chooses the blocks of a region: from a hot branch target along direct branches, within one page, only where the interpreter has been
 * (its decode records say so). Addresses are instruction numbers in the page, 0 to 1023.
 */
import { immediateOf } from './instruction.ts'
import type { Instruction } from './instruction.ts'

export const MAXIMUM_BLOCKS = 48
const MAXIMUM_INSTRUCTIONS = 400
/** Return addresses that a return is compared with. */
const MAXIMUM_CONTINUATIONS = 6
export const PAGE_INSTRUCTIONS = 1024

export interface PageView {
  /** Whether the interpreter has come to this instruction. */
  seen(at: number): boolean
  instruction(at: number): Instruction
}

export interface Block {
  readonly start: number
  /** Behind the last instruction. */
  readonly end: number
  readonly instructions: readonly Instruction[]
  /** Instruction number of the direct branch at the end; may be outside the page. */
  readonly target: number | undefined
  /** Whether the instruction behind the block may be executed next. */
  readonly falls: boolean
  /** The last instruction is a return: to any of the region's continuations. */
  readonly returns: boolean
  /** Instructions to which control goes inside the region, one per edge. */
  readonly successors: readonly number[]
}

export interface Region {
  readonly entry: number
  readonly blocks: ReadonlyMap<number, Block>
  readonly continuations: readonly number[]
}

/** Number of the instruction that a direct branch at `at` goes to. */
export const targetOf = (at: number, instruction: Instruction): number => at + Number(immediateOf(instruction, instruction.shape.branch!.field)) / 4

const inPage = (at: number): boolean => at >= 0 && at < PAGE_INSTRUCTIONS
const endsBlock = ({ shape }: Instruction): boolean => shape.branch !== undefined || shape.indirect !== undefined

/** Undefined when the first instruction is not for regions. */
export function chooseRegion(page: PageView, entry: number): Region | undefined {
  const leaders = new Set<number>(), code = new Map<number, Instruction>()
  const calls = new Set<number>()
  let returns = false
  const queue = [entry]
  const want = (at: number): void => { if (inPage(at) && page.seen(at) && !leaders.has(at)) queue.push(at) }
  const walk = (): void => {
    for (let leader = queue.shift(); leader !== undefined; leader = queue.shift()) {
      if (leaders.has(leader) || leaders.size >= MAXIMUM_BLOCKS || code.size >= MAXIMUM_INSTRUCTIONS) continue
      const first = code.get(leader) ?? page.instruction(leader)
      if (first.shape.foreign) continue
      leaders.add(leader)
      for (let at = leader; at < PAGE_INSTRUCTIONS && !code.has(at) && page.seen(at); at++) {
        const instruction = page.instruction(at), { shape } = instruction
        if (shape.foreign) break
        code.set(at, instruction)
        if (!endsBlock(instruction)) continue
        if (shape.indirect === 'return') returns = true
        if (shape.branch !== undefined) {
          const target = targetOf(at, instruction)
          if (shape.branch.conditional) want(at + 1)
          if (shape.links && inPage(target)) calls.add(at)
          want(target)
        }
        break
      }
    }
  }
  walk()
  if (!leaders.has(entry)) return undefined
  const continuations: number[] = []
  // Where a call inside the region returns to, once there is a return inside.
  for (let more = returns; more;) {
    more = false
    for (const at of calls) {
      const behind = at + 1
      if (continuations.length >= MAXIMUM_CONTINUATIONS || continuations.includes(behind) || !leaders.has(targetOf(at, code.get(at)!))) continue
      want(behind)
      walk()
      if (leaders.has(behind)) {
        continuations.push(behind)
        more = true
      }
    }
  }

  const blocks = new Map<number, Block>()
  for (const start of leaders) {
    const instructions: Instruction[] = []
    let at = start
    let last: Instruction | undefined
    while (code.has(at) && (at === start || !leaders.has(at)) && (last === undefined || !endsBlock(last))) {
      instructions.push(last = code.get(at)!)
      at++
    }
    const { branch, indirect } = last!.shape
    const target = branch === undefined ? undefined : targetOf(at - 1, last!)
    const falls = indirect === undefined && (branch === undefined || branch.conditional)
    const returning = indirect === 'return'
    const successors = [...(target === undefined ? [] : [target]), ...(falls ? [at] : []), ...(returning ? continuations : [])]
    blocks.set(start, { start, end: at, instructions, target, falls, returns: returning, successors: successors.filter(s => leaders.has(s)) })
  }
  return { entry, blocks, continuations }
}
