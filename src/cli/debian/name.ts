/** Names of Debian kernels: `debian:X`, X a series (`6.12`, `7`) or a suite (`trixie`), with a flavour (`6.12-cloud`, `6.12-full`). */
import { BadInput } from '../../arch/bad-input.ts'

export type Flavour = 'cloud' | 'full'

export interface DebianName {
  /** With the flavour, so that every kernel has one name: `6.12-cloud`. */
  readonly canonical: string
  readonly flavour: Flavour
  /** Exactly one of the two: `6.12` or `trixie-backports`. */
  readonly series?: string
  readonly suite?: string
}

const PREFIX = 'debian'
const DEFAULT = 'stable'

export const isDebianName = (text: string): boolean => text === PREFIX || text.startsWith(`${PREFIX}:`)

/** Throws BadInput. */
export function parseDebianName(text: string): DebianName {
  if (!isDebianName(text)) throw new BadInput(`'${text}'`, `write debian:X, X a kernel series such as 6.12 or 6.12-full, or a suite such as trixie`)
  const wanted = text.slice(PREFIX.length + 1) || DEFAULT
  const [, base = '', flavour = 'cloud'] = /^(.*?)(?:-(cloud|full))?$/.exec(wanted)!
  // `7.x` is how the newest kernel of a major version is written in prose.
  const series = /^\d+(?:\.\d+)?(?:\.x)?$/.test(base) ? base.replace(/\.x$/, '') : undefined
  if (series === undefined && !/^[a-z][a-z0-9-]*$/.test(base)) {
    throw new BadInput(text, `'${base}' is neither a kernel series such as 6.12 nor a suite such as trixie; flavours are -cloud (default) and -full`)
  }
  const common = { canonical: `${series ?? base}-${flavour}`, flavour: flavour as Flavour }
  return series === undefined ? { ...common, suite: base } : { ...common, series }
}

/** The name under which a kernel is found by its release: `6.12.117+deb13-cloud-arm64` is `6.12-cloud`. */
export function nameOfRelease(release: string): string | undefined {
  const match = /^(\d+\.\d+)[^a-z].*?(-cloud)?-arm64$/.exec(release)
  return match === null ? undefined : `${match[1]}-${match[2] === undefined ? 'full' : 'cloud'}`
}

/** Orders releases by their numbers: 6.12.9 before 6.12.117. */
export function compareReleases(a: string, b: string): number {
  const numbers = (text: string): number[] => (text.match(/\d+/g) ?? []).map(Number)
  const left = numbers(a), right = numbers(b)
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1)
    if (difference !== 0) return difference
  }
  return 0
}
