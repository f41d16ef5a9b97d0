/** `nidus rootfs`: a bootable Debian file system image. */
import { buildCommand } from '@stricli/core'
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import { cacheFolder } from '../debian/cache.ts'
import { copySparse, parseInclude, parseSuite, rootImage } from '../debian/root-store.ts'
import { EXIT } from '../exit-codes.ts'
import { diskSize } from '../options.ts'
import { createProgress } from '../progress.ts'
import { formatTable } from '../table.ts'

interface Flags {
  readonly include: readonly (readonly string[])[]
  readonly size: number
  readonly output?: string
  readonly refresh: boolean
  readonly json: boolean
}

export const rootfsCommand = buildCommand({
  docs: {
    brief: 'Make a bootable Debian file system image',
    fullDescription: [
      'WHAT is debian:X, X a suite (trixie, bookworm); default: the stable one. arm64 packages come through apt, as nidus fetch has them, and are unpacked',
      'into an ext4 image by code of ours; then a Debian kernel boots on it in a machine of ours and runs the packages\' scripts (dpkg --configure -a).',
      'Neither root nor QEMU, debootstrap or mke2fs is needed. The image is kept in the cache under its packages\' hashes and is not made twice.',
      '',
      'It has systemd, apt, a login on ttyAMA0 as root without password, and DHCP on the first network card.',
      '',
      'Examples:',
      '  nidus rootfs debian:trixie --output trixie.img',
      '  nidus run debian:6.12 --drive trixie.img --append root=/dev/vda',
      '  nidus run debian:6.12 --drive trixie.img,overlay --net user --append root=/dev/vda     # leaves the image as it is',
      '  nidus rootfs debian:trixie --include python3,gcc,libc6-dev --size 3G',
      '  nidus rootfs debian:bookworm --json',
      '',
      'Exit codes: 0 done, 2 bad input, or the packages cannot be had or configured.',
    ].join('\n'),
  },
  parameters: {
    flags: {
      include: { kind: 'parsed', parse: parseInclude, brief: 'More packages (repeatable)', variadic: true, default: [], placeholder: 'PACKAGE,...' },
      size: { kind: 'parsed', parse: diskSize, brief: 'Size of the file system; the file has holes', default: '2G' },
      output: { kind: 'parsed', parse: String, brief: 'Copy the image to FILE', optional: true, placeholder: 'FILE' },
      refresh: { kind: 'boolean', brief: 'Download package lists again although they are less than a day old', default: false, withNegated: false },
      json: { kind: 'boolean', brief: 'Print the manifest as JSON', default: false, withNegated: false },
    },
    positional: { kind: 'tuple', parameters: [{ brief: 'debian:X', parse: parseSuite, placeholder: 'WHAT', default: 'debian' }] },
  },
  async func(flags: Flags, suite: string) {
    const progress = createProgress()
    const { manifest, path } = await rootImage({ suite, include: flags.include.flat(), bytes: flags.size }, { cache: cacheFolder(), progress: progress.update, refresh: flags.refresh }).finally(progress.clear)
    const image = flags.output === undefined ? path : resolve(flags.output)
    if (flags.output !== undefined) copySparse(path, image)
    if (flags.json) process.stdout.write(`${JSON.stringify({ ...manifest, path: image })}\n`)
    else {
      process.stdout.write(`${formatTable(['what', 'is'], [
        ['suite', manifest.suite], ['packages', `${manifest.packages.length}, ${manifest.include.length === 0 ? 'nothing beyond the base' : `with ${manifest.include.join(' ')}`}`],
        ['image', image], ['size', `${(manifest.bytes / 2 ** 20).toFixed(0)} MiB, ${(statSync(image).blocks * 512 / 2 ** 20).toFixed(0)} on disk`], ['sha256', manifest.image],
        ['boot', `nidus run debian:6.12 --drive ${image},overlay --append root=/dev/vda`], ['login', 'root, without password'],
      ])}\n`)
    }
    process.exitCode = EXIT.done
  },
})
