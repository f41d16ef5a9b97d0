/**
 * The control state that decides accesses, and the one place where features are applied to it (design D5): after `contextOf`
 * no rule asks for a version.
 */
import type { Feature } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import type { RegisterFile } from '../arch/register-file.ts'

/** Real controls of a PE, or, in L0, the virtual ones of L1: `file` then is L1's virtual register file and `features` what L1 was offered. */
export interface Controls {
  readonly file: RegisterFile
  /** Identity matters: decisions are compiled once per set object. */
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
}

/** Bits of the context: the effective values on which decisions depend. */
export const CONTEXT = { NV: 1, NV1: 2, NV2: 4, NEVE: 8, E2H: 16, TGE: 32, HOST: 64 } as const

/** `E2H=0 host=1` as mask and value over the context. */
export function parseWhen(when: string | undefined): { readonly mask: number, readonly value: number } {
  let mask = 0, value = 0
  for (const term of when?.split(' ') ?? []) {
    const match = /^(NV|NV1|NV2|NEVE|E2H|TGE|host)=([01])$/.exec(term)
    if (match === null) throw new Error(`condition '${term}'`)
    const bit = CONTEXT[match[1]!.toUpperCase() as keyof typeof CONTEXT]
    mask |= bit
    if (match[2] === '1') value |= bit
  }
  return { mask, value }
}

/** The context in the manual's words, for `explain`. */
export function describeContext(context: number): string {
  const names = (['E2H', 'TGE', 'NV', 'NV1', 'NV2', 'NEVE'] as const).filter(name => (context & CONTEXT[name]) !== 0)
  return names.length === 0 ? 'E2H, TGE and NV are 0' : `${names.join(', ')} = 1`
}
