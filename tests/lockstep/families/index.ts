import type { Feature } from '../../../src/arch/features.ts'
import { Random } from '../../assembler.ts'
import { ProgramBuilder } from '../program.ts'
import type { LockstepProgram, Target } from '../program.ts'
import { debug } from './debug.ts'
import { gic } from './gic.ts'
import { interrupts } from './interrupts.ts'
import { nested } from './nested.ts'
import { returns } from './returns.ts'
import { timers } from './timers.ts'
import { translation } from './translation.ts'
import { traps } from './traps.ts'

interface Family {
  readonly generate: (builder: ProgramBuilder) => void
  /** Only on profiles with it. */
  readonly needs?: Feature
  /** Only on machines with this interrupt controller. */
  readonly gic?: 3
  /** Only on machines with EL2. */
  readonly el2?: true
}
export const FAMILIES: Readonly<Record<string, Family>> = {
  traps: { generate: traps }, returns: { generate: returns }, gic: { generate: gic, gic: 3, el2: true }, nested: { generate: nested, needs: 'FEAT_NV2', el2: true }, translation: { generate: translation }, debug: { generate: debug }, timers: { generate: timers }, interrupts: { generate: interrupts, gic: 3 },
}

export function generate(family: string, seed: number, target: Target): LockstepProgram {
  const builder = new ProgramBuilder(new Random(seed), target)
  FAMILIES[family]!.generate(builder)
  return builder.build(`${family} ${seed}`)
}
