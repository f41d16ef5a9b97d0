/** The measured processes run built code, as the command does (scripts/built.js); all programs are built at once. */
import { fileURLToPath } from 'node:url'

const NAMES = ['debian-run', 'cpu-run', 'switch-run', 'fork-run'] as const
type Name = typeof NAMES[number]

const { built } = await import(new URL('../scripts/built.js', import.meta.url).href) as { readonly built: (entries: readonly string[]) => Promise<readonly string[] | undefined> }
const files = await built(NAMES.map(name => `bench/${name}.ts`))

/** Source of a program, whose profile is by source file. */
export const programSource = (name: Name): string => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))

export const programOf = (name: Name): string => files?.[NAMES.indexOf(name)] ?? programSource(name)
