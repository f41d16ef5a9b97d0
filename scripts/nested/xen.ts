/** Debian's Xen hypervisor for arm64, from the same cache and archive as the kernels. */
import { BadInput } from '../../src/arch/bad-input.ts'
import { DebianSuite } from '../../src/cli/debian/apt.ts'
import { cacheFolder } from '../../src/cli/debian/cache.ts'
import { readPackage } from '../../src/cli/debian/package.ts'

const SUITES: Readonly<Record<string, string>> = { '4.14': 'bullseye', '4.17': 'bookworm', '4.20': 'trixie' }

/** `xen-4.20`: an arm64 Image. */
export async function xenImage(name: string): Promise<Uint8Array> {
  const version = name.replace('xen-', ''), suite = SUITES[version]
  if (suite === undefined) throw new BadInput(name, `there are ${Object.keys(SUITES).map(each => `xen-${each}`).join(', ')}`)
  const { file } = await (await DebianSuite.open(suite, { cache: cacheFolder() })).download(`xen-hypervisor-${version}-arm64`)
  const path = `boot/xen-${version}-arm64`, image = (await readPackage(file, each => each === path)).get(path)
  if (image === undefined) throw new BadInput(file, `it has no ${path}`)
  return image
}
