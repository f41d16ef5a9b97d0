/** What the translator knows of an instruction: its recording with the decode-time fields filled in, and how it ends a block. */
import { fieldsOf } from '../../isa/instruction.ts'
import type { Variant } from '../../isa/instruction.ts'
import { Recorder } from '../recorder.ts'
import { plan } from '../plan.ts'
import type { Plan } from '../plan.ts'
import { barrierMatters } from '../handler.ts'
import type { HandlerOptions } from '../handler.ts'
import type { Effect, Recording } from '../recorder.ts'

/** What all instructions of a variant have in common. */
export interface Shape {
  readonly recording: Recording
  readonly plan: Plan
  /** Left to the interpreter. */
  readonly foreign: boolean
  /** The direct branch at the end, if there is one. */
  readonly branch: { readonly field: string, readonly conditional: boolean } | undefined
  /** A branch to a register. */
  readonly indirect: 'jump' | 'call' | 'return' | undefined
  readonly links: boolean
  /** The interpreter looks at the budget behind it. */
  readonly stops: boolean
}

export interface Instruction {
  readonly shape: Shape
  readonly word: number
  readonly fields: Readonly<Record<string, number>>
  readonly variant: Variant
}

const isForeign = (effects: readonly Effect[], barriers: boolean): boolean => effects.some(effect => {
  switch (effect.kind) {
    // JavaScript may do anything, so that everything would have to be in memory.
    // ISB fetches again what follows: a jump.
    case 'request': return effect.request.name !== 'barrier' || effect.request.kind !== 'ISB' || barriers
    case 'when': return isForeign(effect.body, barriers) || effect.body.some(inner => inner.kind === 'flags' || inner.kind === 'branch' || inner.kind === 'branchTo' || inner.kind === 'when')
    default: return false
  }
})

export class Shapes {
  private readonly options: HandlerOptions
  private readonly isLate: (variant: Variant) => boolean
  private readonly byVariant: (Shape | undefined)[] = []

  /** `isLate`: the interpreter has no handler of its own for the variant. */
  constructor(options: HandlerOptions, isLate: (variant: Variant) => boolean) {
    this.options = options
    this.isLate = isLate
  }

  of(variant: Variant): Shape { return this.byVariant[variant.index] ??= this.make(variant) }

  instruction(variant: Variant, word: number): Instruction {
    return { shape: this.of(variant), word, fields: fieldsOf(variant.row, word), variant }
  }

  private make(variant: Variant): Shape {
    const recorder = new Recorder()
    variant.row.body(variant.statics, recorder)
    const recorded = recorder.recording()
    const effects = recorded.effects.filter(effect => effect.kind !== 'request' || barrierMatters(effect.request, this.options))
    const recording = { effects, positions: recorded.positions }
    const branch = effects.find(effect => effect.kind === 'branch'), indirect = effects.find(effect => effect.kind === 'branchTo')
    return {
      recording, plan: plan(recording), foreign: isForeign(effects, this.options.barriers),
      branch: branch?.kind === 'branch' ? { field: branch.field, conditional: branch.condition !== undefined } : undefined,
      indirect: indirect?.kind === 'branchTo' ? indirect.hint : effects.some(effect => effect.kind === 'request') ? 'jump' : undefined,
      links: effects.some(effect => effect.kind === 'link'),
      stops: this.isLate(variant),
    }
  }
}

/** Value of an immediate of the row. */
export const immediateOf = ({ variant, fields }: Instruction, name: string): number | bigint => variant.row.immediates[name]!.of(fields)
