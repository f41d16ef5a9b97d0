/**
 * The part of vitest's API that the tests use, without vitest: a mutant's tests run in a process of their own, and that process must start in
 * tenths of a second. `expect` is vitest's. Tests run in their order; the first failure ends the run (worker.ts).
 */
// By its file: the name `vitest` means this module (worker.ts).
import { expect } from '../../node_modules/vitest/dist/index.js'

type Body = (...values: readonly never[]) => unknown
type Hook = () => unknown
interface Block { readonly before: Hook[], readonly after: Hook[], readonly beforeEach: Hook[], readonly afterEach: Hook[], readonly items: (Block | { readonly name: string, readonly body: Hook })[] }

const block = (): Block => ({ before: [], after: [], beforeEach: [], afterEach: [], items: [] })
let current = block()

const bodyOf = (rest: readonly unknown[]): Body => rest.find(each => typeof each === 'function') as Body
const rowsOf = (rows: readonly unknown[]): readonly (readonly unknown[])[] => rows.map(row => Array.isArray(row) ? row as readonly unknown[] : [row])

const addTest = (name: string, body: Body): void => { current.items.push({ name, body: body as Hook }) }
const addBlock = (body: Body): void => {
  const outer = current
  current = block()
  outer.items.push(current)
  body()
  current = outer
}

type Add = (name: string, ...rest: readonly unknown[]) => void
const api = (add: (name: string, body: Body) => void) => {
  const plain: Add = (name, ...rest) => { add(name, bodyOf(rest)) }
  const nothing: Add = () => {}
  return Object.assign(plain, {
    each: (rows: readonly unknown[]): Add => (name, ...rest) => {
      const body = bodyOf(rest) as (...values: readonly unknown[]) => unknown
      for (const row of rowsOf(rows)) add(name, () => body(...row))
    },
    skip: nothing, todo: nothing, sequential: plain, concurrent: plain,
    skipIf: (skip: unknown): Add => skip ? nothing : plain,
    runIf: (run: unknown): Add => run ? plain : nothing,
  })
}

const describe = api((_, body) => { addBlock(body) }), test = api(addTest)
const beforeAll = (hook: Hook): void => { current.before.push(hook) }, afterAll = (hook: Hook): void => { current.after.push(hook) }
const beforeEach = (hook: Hook): void => { current.beforeEach.push(hook) }, afterEach = (hook: Hook): void => { current.afterEach.push(hook) }

export { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test }
export const it = test

/** Runs what has been declared since the last call; throws what the first failing test threw. */
export async function runDeclared(skip: ReadonlySet<string>, started: (name: string) => void, only?: string): Promise<void> {
  const all = current
  current = block()
  const run = async (each: Block, outer: readonly Block[]): Promise<void> => {
    for (const hook of each.before) await hook()
    const around = [...outer, each]
    for (const item of each.items) {
      if (!('body' in item)) { await run(item, around); continue }
      if (skip.has(item.name) || (only !== undefined && only !== item.name)) continue
      started(item.name)
      for (const { beforeEach: hooks } of around) for (const hook of hooks) await hook()
      await item.body()
      for (const { afterEach: hooks } of around) for (const hook of hooks) await hook()
    }
    for (const hook of each.after) await hook()
  }
  await run(all, [])
}
