/** `debian:X` where a command takes an image: the kernel with its initramfs, fetched if it is not in the cache. */
import { createProgress } from '../progress.ts'
import { inputFile } from '../options.ts'
import { cacheFolder } from './cache.ts'
import { parseDebianName } from './name.ts'
import { fetchDebian, initramfsPath, kernelPath, storedKernel } from './store.ts'

/** What Debian's kernels need on the command line to be heard. */
export const DEBIAN_BOOTARGS = 'console=ttyAMA0 earlycon'

export interface DebianImage {
  readonly release: string
  readonly image: Uint8Array
  readonly initrd: Uint8Array
  readonly bootargs: string
}

export async function debianImage(text: string): Promise<DebianImage> {
  const name = parseDebianName(text), cache = cacheFolder(), progress = createProgress()
  const manifest = storedKernel(name, cache) ?? await fetchDebian(name, {}, { cache, progress: progress.update }).finally(progress.clear)
  return { release: manifest.release, image: inputFile(text, kernelPath(manifest, cache)), initrd: inputFile(text, initramfsPath(manifest, cache)), bootargs: DEBIAN_BOOTARGS }
}
