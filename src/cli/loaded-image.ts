/** What a VM or the bare machine boots, read from the files that the options name. */
import { parseElf, isElf, type Elf } from '../arch/image/elf.ts'
import { unwrapImage } from '../arch/image/compressed.ts'
import { isDebianName } from './debian/name.ts'
import { decompress } from './decompress.ts'
import { inputFile } from './options.ts'
import type { VmFlags } from './run-flags.ts'

export interface LoadedImage {
  readonly image: Uint8Array
  readonly elf: Elf | undefined
  readonly initrd?: Uint8Array
  readonly dtb?: Uint8Array
  readonly append?: string
  readonly modules?: readonly { readonly bytes: Uint8Array, readonly bootargs?: string }[]
}

export async function loadImage(path: string, flags: VmFlags): Promise<LoadedImage> {
  // Loaded when it is used: most images are files.
  const debian = isDebianName(path) ? await (await import('./debian/image.ts')).debianImage(path) : undefined
  const image = await unwrapImage(debian?.image ?? inputFile('image', path), decompress)
  const optional = (what: string, file: string | undefined) => file === undefined ? undefined : inputFile(what, file)
  const initrd = optional('--initrd', flags.initrd) ?? debian?.initrd, dtb = optional('--dtb', flags.dtb)
  const append = [debian?.bootargs, flags.append].filter(text => text !== undefined).join(' ')
  const modules = await Promise.all(flags.module.map(async text => {
    const comma = text.indexOf(',')
    const bytes = await unwrapImage(inputFile('--module', comma < 0 ? text : text.slice(0, comma)), decompress)
    return comma < 0 ? { bytes } : { bytes, bootargs: text.slice(comma + 1) }
  }))
  return {
    image, elf: isElf(image) ? parseElf(image) : undefined,
    ...(initrd === undefined ? {} : { initrd }), ...(dtb === undefined ? {} : { dtb }), ...(append === '' ? {} : { append }), ...(modules.length === 0 ? {} : { modules }),
  }
}
