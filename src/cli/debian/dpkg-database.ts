/**
 * dpkg's database (deb-control(5), deb-triggers(5), dpkg(1) under FILES) of packages whose files are in place and that `dpkg --configure -a` shall configure.
 */
import { createHash } from 'node:crypto'
import { BadInput } from '../../arch/bad-input.ts'
import type { WholePackage } from './package.ts'

export interface DatabaseFile { readonly path: string, readonly content: Uint8Array | string, readonly mode: number }

const FOLDER = 'var/lib/dpkg'
const decoder = new TextDecoder()
const linesOf = (bytes: Uint8Array | undefined): string[] => bytes === undefined ? [] : decoder.decode(bytes).split('\n').map(line => line.trim()).filter(line => line !== '' && !line.startsWith('#'))

/** A stanza's fields of one line. */
const fieldOf = (stanza: string, name: string): string | undefined => new RegExp(`^${name}:[ \\t]*(.*)$`, 'im').exec(stanza)?.[1]?.trim()

export function dpkgDatabase(packages: readonly WholePackage[]): DatabaseFile[] {
  const status: string[] = [], info: DatabaseFile[] = [], interests = new Map<string, string[]>()
  for (const each of packages) {
    const control = decoder.decode(each.control.find(({ path }) => path === 'control')?.data)
    const name = fieldOf(control, 'Package'), architecture = fieldOf(control, 'Architecture')
    if (name === undefined || architecture === undefined) throw new BadInput('package', 'it does not say what package it is')
    // Only of packages that can be there for several architectures the files' names have one.
    const qualified = fieldOf(control, 'Multi-Arch') === 'same' ? `${name}:${architecture}` : name
    const member = (wanted: string): Uint8Array | undefined => each.control.find(({ path }) => path === wanted)?.data
    status.push(`${control.trimEnd().replace(/^(Package:.*)$/im, '$1\nStatus: install ok unpacked')}${configurationFiles(each, member('conffiles'))}\n`)
    info.push({ path: `${FOLDER}/info/${qualified}.list`, content: ['/.', ...each.files.filter(({ path }) => path !== '').map(({ path }) => `/${path}`), ''].join('\n'), mode: 0o644 })
    for (const { path, data, header } of each.control) {
      if (data !== undefined && path !== 'control') info.push({ path: `${FOLDER}/info/${qualified}.${path}`, content: data, mode: (header.mode ?? 0o644) & 0o755 })
    }
    for (const line of linesOf(member('triggers'))) {
      const [, noawait, trigger] = /^interest(-noawait|-await)?\s+(\S+)/.exec(line) ?? []
      if (trigger === undefined) continue
      const file = trigger.startsWith('/') ? 'File' : trigger, who = `${trigger.startsWith('/') ? `${trigger} ` : ''}${qualified}${noawait === '-noawait' ? '/noawait' : ''}`
      interests.set(file, [...interests.get(file) ?? [], who])
    }
  }
  return [
    { path: `${FOLDER}/status`, content: `${status.join('\n')}\n`, mode: 0o644 }, { path: `${FOLDER}/available`, content: '', mode: 0o644 },
    { path: `${FOLDER}/info/format`, content: '1\n', mode: 0o644 }, ...info,
    ...[...interests].map(([file, who]) => ({ path: `${FOLDER}/triggers/${file}`, content: `${who.join('\n')}\n`, mode: 0o644 })),
  ]
}

/** Field Conffiles with the hashes of what was unpacked, so that dpkg sees later whether someone has changed it. */
function configurationFiles({ files }: WholePackage, list: Uint8Array | undefined): string {
  const lines = linesOf(list).flatMap(line => {
    // `remove-on-upgrade /etc/old` is not unpacked.
    const data = files.find(({ path }) => `/${path}` === line)?.data
    return data === undefined ? [] : [` ${line} ${createHash('md5').update(data).digest('hex')}`]
  })
  return lines.length === 0 ? '' : `\nConffiles:\n${lines.join('\n')}`
}

/** The packages' names in the order given, those that have a script of this kind. */
export function packagesWith(script: string, packages: readonly WholePackage[]): string[] {
  return packages.filter(({ control }) => control.some(({ path }) => path === script)).map(({ control }) => {
    const stanza = decoder.decode(control.find(({ path }) => path === 'control')?.data), name = fieldOf(stanza, 'Package')!
    return fieldOf(stanza, 'Multi-Arch') === 'same' ? `${name}:${fieldOf(stanza, 'Architecture')!}` : name
  })
}
