import { Random } from '../../assembler.ts'
import { ProgramBuilder } from '../program.ts'
import type { LockstepProgram, Target } from '../program.ts'
import { returns } from './returns.ts'
import { traps } from './traps.ts'

export const FAMILIES = { traps, returns } as const
export type FamilyName = keyof typeof FAMILIES

export function generate(family: FamilyName, seed: number, target: Target): LockstepProgram {
  const builder = new ProgramBuilder(new Random(seed), target)
  FAMILIES[family](builder)
  return builder.build(`${family} ${seed}`)
}
