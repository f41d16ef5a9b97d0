/** Options that come out of a file (a snapshot, a recording) instead of the command line: looked at before they are used. */
import { BadInput } from '../arch/bad-input.ts'
import { FEATURES, isProfileName } from '../arch/features.ts'
import type { RunFlags, VmFlags } from './run-flags.ts'

export interface AskedImages { readonly flags: RunFlags, readonly images: readonly { readonly path: string, readonly flags: VmFlags }[] }

type Check = (value: unknown) => boolean
const text: Check = value => typeof value === 'string', flag: Check = value => typeof value === 'boolean', natural: Check = value => Number.isSafeInteger(value) && (value as number) >= 0
const one = (...values: readonly unknown[]): Check => value => values.includes(value)
const list = (check: Check): Check => value => Array.isArray(value) && value.every(check)
const optional = (check: Check): Check => value => value === undefined || check(value)
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
const cpus = optional(value => natural(value) && (value as number) >= 1 && (value as number) <= 8)

const VM: Readonly<Record<keyof VmFlags, Check>> = {
  el2: flag, hide: list(value => (FEATURES as readonly unknown[]).includes(value)), smp: cpus, mem: value => natural(value) && (value as number) > 0, initrd: optional(text), module: list(text), dtb: optional(text), append: optional(text),
  paravirt: optional(one('nv', 'neve')), until: optional(text), console: optional(text),
  drive: list(value => isObject(value) && text(value['path']) && one('rw', 'ro', 'overlay')(value['access']) && one('mmio', 'pci')(value['transport'])), rng: optional(natural), virtioConsole: flag,
  net: optional(value => isObject(value) && one('mmio', 'pci')(value['transport']) && list(each => isObject(each) && text(each['hostAddress']) && natural(each['hostPort']) && natural(each['guestPort']))(value['forwards'])),
  share: list(value => isObject(value) && text(value['path']) && text(value['tag']) && flag(value['readOnly']) && one('mmio', 'pci')(value['transport'])),
}
const MACHINE: Readonly<Record<Exclude<keyof RunFlags, keyof VmFlags>, Check>> = {
  on: one('machine', 'vm'), arch: value => text(value) && isProfileName(value as string), board: one('virt', 'moonshot'), gic: optional(one(2, 3)), dumpdtb: optional(text), l0: one('split', 'lazy'), timeout: optional(value => typeof value === 'number'), translate: flag,
}

/** Throws BadInput. Paths are taken as they are. */
export function askedFrom(value: unknown, what: string): AskedImages {
  const bad = (problem: string): never => { throw new BadInput(what, problem) }
  const check = (flags: unknown, table: Readonly<Record<string, Check>>, where: string): void => {
    if (!isObject(flags)) return bad(`${where} is missing`)
    for (const [name, is] of Object.entries(table)) if (!is(flags[name])) bad(`${where}: option ${name} is not one of this version`)
  }
  if (!isObject(value) || !Array.isArray(value['images']) || value['images'].length === 0) return bad('does not say what was run')
  check(value['flags'], { ...VM, ...MACHINE }, 'options')
  value['images'].forEach((each: unknown, i) => {
    if (!isObject(each) || !text(each['path'])) return bad(`image ${i} is missing`)
    check(each['flags'], VM, `image ${i}`)
  })
  return value as unknown as AskedImages
}

/** With a file that says what runs, other options would have no meaning. */
export function onlyOptions(args: readonly string[], allowed: readonly string[], because: string): void {
  const other = args.find(arg => arg.startsWith('--') && !allowed.includes(arg.slice(2).split('=')[0]!))
  if (other !== undefined) throw new BadInput(other.split('=')[0]!, `not with ${because}, which says what runs; options beside it: ${allowed.map(name => `--${name}`).join(', ')}`)
}
