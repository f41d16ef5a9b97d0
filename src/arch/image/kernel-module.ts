/** What a kernel module (.ko, a relocatable ELF64 file) says about itself in its section `.modinfo`: strings `key=value`. */
import { BadInput } from '../bad-input.ts'
import { isElf } from './elf.ts'

export interface KernelModuleInfo {
  readonly name: string
  /** Modules that must be loaded before, by name. */
  readonly depends: readonly string[]
  /** Preferred beforehand (`softdep: pre:`), present or not. */
  readonly wishes: readonly string[]
  /** What it is asked for by: `virtio:d00000002v*`, `fs-ext4`. */
  readonly aliases: readonly string[]
}

/** As the kernel compares them. */
export const moduleName = (name: string): string => name.replaceAll('-', '_')

const split = (text: string, separator: RegExp): string[] => text.split(separator).filter(part => part !== '').map(moduleName)

export function readModuleInfo(bytes: Uint8Array): KernelModuleInfo {
  const strings = new TextDecoder().decode(section(bytes, '.modinfo')).split('\0')
  const all = (key: string): string[] => strings.filter(text => text.startsWith(`${key}=`)).map(text => text.slice(key.length + 1))
  const name = all('name')[0]
  if (name === undefined) throw new BadInput('kernel module', 'it does not say its name')
  return {
    name: moduleName(name), depends: split(all('depends').join(','), /,/), aliases: all('alias'),
    wishes: all('softdep').flatMap(text => split(/pre:((?:\s+(?!post:)\S+)*)/.exec(text)?.[1] ?? '', /\s+/)),
  }
}

function section(bytes: Uint8Array, wanted: string): Uint8Array {
  const bad = (problem: string, offset?: number): never => { throw new BadInput('kernel module', problem, offset) }
  if (!isElf(bytes) || bytes.length < 64 || bytes[4] !== 2 || bytes[5] !== 1) bad('not a little-endian ELF64 file', 0)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const table = Number(view.getBigUint64(40, true)), size = view.getUint16(58, true), count = view.getUint16(60, true), namesIndex = view.getUint16(62, true)
  if (size < 64 || !(table + size * count <= bytes.length) || namesIndex >= count) bad('its section headers run out of the file', 40)
  const contents = (index: number): Uint8Array => {
    const at = table + index * size, offset = Number(view.getBigUint64(at + 24, true)), length = Number(view.getBigUint64(at + 32, true))
    if (!(offset + length <= bytes.length)) bad(`section ${index} runs out of the file`, at)
    return bytes.subarray(offset, offset + length)
  }
  const names = contents(namesIndex), decoder = new TextDecoder()
  for (let index = 0; index < count; index++) {
    const start = view.getUint32(table + index * size, true), end = names.indexOf(0, start)
    if (end >= start && decoder.decode(names.subarray(start, end)) === wanted) return contents(index)
  }
  return bad(`no section ${wanted}`)
}
