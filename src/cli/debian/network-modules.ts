/** The modules for a network card that `nidus fetch` has put into an initramfs. */
import { gunzipSync } from 'node:zlib'
import { BadInput } from '../../arch/bad-input.ts'
import { readCpio } from '../../arch/archive/cpio.ts'
import { readModuleInfo } from '../../arch/image/kernel-module.ts'
import { inOrder, type KernelModule } from './modules.ts'

const WANTED = ['virtio_mmio', 'virtio_net']

/** In the order of loading. Throws BadInput where the kernel has none: then it has no driver for the card either, or has it built in, which Debian's do not. */
export function networkModules(name: string, initrd: Uint8Array): Uint8Array[] {
  const have = new Map<string, KernelModule>()
  for (const [path, bytes] of readCpio(gunzipSync(initrd))) {
    if (!path.endsWith('.ko')) continue
    const info = readModuleInfo(bytes)
    have.set(info.name, { path, bytes, info })
  }
  const missing = WANTED.find(each => !have.has(each))
  if (missing !== undefined) throw new BadInput('--apps', `the initramfs of ${name} has no ${missing}; choose debian:X`)
  return inOrder(WANTED, have).map(({ bytes }) => bytes)
}
