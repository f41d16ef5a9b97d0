/**
 * Decides which expressions of a recording get a local variable, and when state must be read earlier than it is used: a leaf stands
 * for the register's value at the time the body asked for it, and a later effect may overwrite that register.
 */
import * as W from './wasm/expression.ts'
import type { Expression } from './wasm/expression.ts'
import { LEAF, leafKind, operandsOf } from './recorder.ts'
import type { Effect, Recording } from './recorder.ts'

export interface Plan {
  /** Expressions that are needed more than once. */
  readonly shared: ReadonlySet<Expression>
  /** Expressions to compute before the effect with this number. */
  readonly before: ReadonlyMap<number, readonly Expression[]>
}

/** What effects change and leaves read. */
const STATE = { general: 1, vector: 2, flags: 4 } as const

function reads(e: Expression): number {
  switch (leafKind(e)) {
    case LEAF.X: case LEAF.XSP: return STATE.general
    case LEAF.Q: return STATE.vector
    case LEAF.NZCV: case LEAF.CARRY: case LEAF.CONDITION: return STATE.flags
    default: return 0
  }
}

function writes(effect: Effect): number {
  switch (effect.kind) {
    case 'setX': case 'setXSP': case 'link': return STATE.general
    case 'setQ': return STATE.vector
    case 'flags': return STATE.flags
    case 'request': return STATE.general | STATE.vector | STATE.flags
    default: return 0
  }
}

interface Use { count: number, first: number, last: number }

export function plan(recording: Recording): Plan {
  const uses = new Map<Expression, Use>()
  const order: Expression[] = []
  const changes: number[] = []
  /** First and last effect of every `when`, outermost first. */
  const scopes: { readonly when: number, last: number }[] = []

  const visit = (e: Expression, at: number): void => {
    if (W.isConstant(e)) return
    const use = uses.get(e)
    if (use !== undefined) {
      use.count++
      use.last = at
      return
    }
    for (const operand of e.operands) visit(operand, at)
    uses.set(e, { count: 1, first: at, last: at })
    order.push(e)
  }
  const walk = (effects: readonly Effect[]): void => {
    for (const effect of effects) {
      const at = changes.push(writes(effect)) - 1
      for (const operand of operandsOf(effect)) visit(operand, at)
      if (effect.kind === 'when') {
        const scope = { when: at, last: at }
        scopes.push(scope)
        walk(effect.body)
        scope.last = changes.length - 1
      }
    }
  }
  walk(recording.effects)

  const shared = new Set<Expression>()
  const before = new Map<number, Expression[]>()
  const early = (e: Expression, at: number): void => {
    shared.add(e)
    const list = before.get(at)
    if (list === undefined) before.set(at, [e])
    else list.push(e)
  }
  for (const e of order) {
    const use = uses.get(e)!
    if (use.count > 1) shared.add(e)
    // Results are set by their effect, wherever it stands.
    if (leafKind(e) === LEAF.RESULT) continue
    let at = use.first
    const state = reads(e)
    if (state !== 0) {
      // The operands of an effect are evaluated before it changes anything.
      for (let i = recording.positions.get(e) ?? 0; i < at; i++) if ((changes[i]! & state) !== 0) at = i
    }
    // Not inside a body that may be skipped, when it is needed after it.
    const scope = scopes.find(s => s.when < at && at <= s.last && use.last > s.last)
    if (scope !== undefined) at = scope.when
    if (at < use.first) early(e, at)
  }
  return { shared, before }
}
