/** -serial and -chardev. */
import { BadInput } from '../../arch/bad-input.ts'
import type { Character, Configuration } from './configuration.ts'
import { accepted, isOn, mapped, pairsOf, valuesOf, type Keys } from './keyed.ts'

const COMMON: Keys = { backend: mapped, id: mapped, mux: mapped, logfile: accepted, logappend: accepted, signal: accepted }
const BACKENDS: Readonly<Record<string, { readonly keys: Keys, readonly make: (values: ReadonlyMap<string, string>) => Character }>> = {
  stdio: { keys: COMMON, make: values => ({ kind: 'terminal', mux: values.has('mux') && isOn('-chardev', 'mux', values.get('mux')!) }) },
  null: { keys: COMMON, make: () => ({ kind: 'null' }) },
  file: {
    keys: { ...COMMON, path: mapped, append: mapped },
    make: values => {
      const path = values.get('path')
      if (path === undefined) throw new BadInput('-chardev', 'file needs path=')
      return { kind: 'file', path, append: values.has('append') && isOn('-chardev', 'append', values.get('append')!) }
    },
  },
  testdev: { keys: COMMON, make: () => ({ kind: 'testdev' }) },
}
export const BACKEND_NAMES = Object.keys(BACKENDS)

export function chardevOption(c: Configuration, text: string, warn: (text: string) => void): void {
  const pairs = pairsOf('-chardev', text, 'backend'), name = pairs.find(([key]) => key === 'backend')?.[1] ?? '', row = Object.hasOwn(BACKENDS, name) ? BACKENDS[name] : undefined
  if (row === undefined) throw new BadInput('-chardev', `'${name}' is not one of ${BACKEND_NAMES.join(', ')}`)
  const values = valuesOf('-chardev', pairs, row.keys, warn), id = values.get('id')
  if (id === undefined || c.chardevs.has(id)) throw new BadInput('-chardev', id === undefined ? `${name} needs id=` : `two have the id ${id}`)
  c.chardevs.set(id, row.make(values))
}

export function serialOption(c: Configuration, text: string): void {
  const made = ((): Character | string => {
    if (text === 'stdio' || text === '-' || text === '/dev/stdout') return { kind: 'terminal', mux: false }
    if (text === 'mon:stdio') return { kind: 'terminal', mux: true }
    if (text === 'null' || text === 'none') return { kind: 'null' }
    if (text === '/dev/stderr') return { kind: 'stderr' }
    if (text.startsWith('file:')) return { kind: 'file', path: text.slice(5), append: false }
    return text.startsWith('chardev:') ? text.slice(8) : ''
  })()
  if (made === '') throw new BadInput('-serial', `'${text}' is not one of stdio, mon:stdio, null, none, file:PATH, chardev:ID`)
  // Chardevs may be named before they are made.
  c.serials.push(typeof made === 'string' ? { kind: 'chardev', id: made } : made)
}

/** What the id of a chardev stands for. */
export function characterOf(c: Configuration, option: string, id: string): Character {
  const found = c.chardevs.get(id)
  if (found === undefined) throw new BadInput(option, `there is no chardev ${id}`)
  return found
}
