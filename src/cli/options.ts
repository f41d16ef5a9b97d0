/** Parsers of option values. Each throws BadInput with one clear line; none has a side effect. */
import { readFileSync, statSync } from 'node:fs'
import { BadInput } from '../arch/bad-input.ts'
import { FEATURES, featureNamed, isProfileName, PROFILE_NAMES, type Feature, type ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import type { Level } from '../trace/event.ts'

export function oneOf<const T extends string>(option: string, values: readonly T[]): (text: string) => T {
  return text => {
    const found = values.find(value => value === text)
    if (found === undefined) throw new BadInput(option, `'${text}' is not one of ${values.join(', ')}`)
    return found
  }
}

export function profileName(text: string): ProfileName {
  if (!isProfileName(text)) throw new BadInput('--arch', `unknown profile '${text}'; the profiles are ${PROFILE_NAMES.join(', ')}`)
  return text
}

export function profileNames(text: string): ProfileName[] {
  return text.split(',').map(profileName)
}

export function hiddenFeature(text: string): Feature {
  const feature = featureNamed(text)
  if (feature === undefined) throw new BadInput('--hide', `unknown feature '${text}'; the features are ${FEATURES.join(', ')}`)
  return feature
}

export const gicVersion = (text: string): GicVersion => oneOf('--gic', ['v2', 'v3'])(text) === 'v2' ? 2 : 3

const UNITS: Readonly<Record<string, number>> = { '': 2 ** 20, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }
/** What memory32 leaves for guest RAM beside the caches (design D9). */
export const LARGEST_MEMORY = 3 * 2 ** 30

/** `512M`, `1G`, or a bare number of MiB as QEMU takes it. Bytes. */
export function memorySize(text: string): number {
  const match = /^(\d+)([KMG]?)$/i.exec(text)
  if (match === null) throw new BadInput('--mem', `'${text}' is not a size; write 512M or 1G`)
  const bytes = Number(match[1]) * UNITS[match[2]!.toUpperCase()]!
  if (bytes < 2 ** 24 || bytes % 2 ** 21 !== 0) throw new BadInput('--mem', `${text} is less than 16M or not a multiple of 2M`)
  if (bytes > LARGEST_MEMORY) throw new BadInput('--mem', `${text} is more than the 3G that fit beside the caches`)
  return bytes
}

/** Of a file system: `2G`. Bytes. */
export function diskSize(text: string): number {
  const match = /^(\d+)([MG])$/i.exec(text), bytes = match === null ? 0 : Number(match[1]) * UNITS[match[2]!.toUpperCase()]!
  if (bytes < 2 ** 28 || bytes > 2 ** 41) throw new BadInput('--size', `'${text}' is not a size from 256M to 2048G`)
  return bytes
}

export function integerBetween(option: string, low: number, high: number): (text: string) => number {
  return text => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= low && value <= high)) throw new BadInput(option, `'${text}' is not a whole number from ${low} to ${high}`)
    return value
  }
}

export function seconds(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value > 0 && Number.isFinite(value))) throw new BadInput('--timeout', `'${text}' is not a positive number of seconds`)
  return value
}

/** The bytes of a file the user named. Missing, empty, unreadable and folder are BadInput. */
export function inputFile(what: string, path: string): Uint8Array {
  let bytes: Uint8Array
  try {
    if (statSync(path).isDirectory()) throw new BadInput(what, `${path} is a folder`)
    bytes = readFileSync(path)
  } catch (error) {
    if (error instanceof BadInput) throw error
    const code = (error as NodeJS.ErrnoException).code
    throw new BadInput(what, code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read (${code ?? String(error)})`)
  }
  if (bytes.length === 0) throw new BadInput(what, `${path} is empty`)
  return bytes
}

const LEVELS: readonly Level[] = ['machine', 'vm', 'vEL2', 'L1', 'L2', 'L3']
/** `vEL2,L2`. */
export const levelNames = (text: string): Level[] => text.split(',').map(oneOf('--level', LEVELS))
