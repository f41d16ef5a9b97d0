/** `nidus fetch`: Debian kernels and a small initramfs into the cache. */
import { buildCommand } from '@stricli/core'
import { BadInput } from '../../arch/bad-input.ts'
import { cacheFolder } from '../debian/cache.ts'
import { parseDebianName } from '../debian/name.ts'
import { fetchDebian, initramfsPath, kernelPath } from '../debian/store.ts'
import { EXIT } from '../exit-codes.ts'
import { createProgress } from '../progress.ts'
import { formatTable } from '../table.ts'

interface Flags {
  readonly deb: readonly string[]
  readonly kernel?: string
  readonly busybox?: string
  readonly refresh: boolean
  readonly json: boolean
}

export const fetchCommand = buildCommand({
  docs: {
    brief: 'Fetch a Debian kernel and build a small initramfs for it',
    fullDescription: [
      'WHAT is debian:X. X is a kernel series (5.10, 6.1, 6.12, 7) or a suite (trixie, trixie-backports), with -cloud (default) or -full.',
      'Packages come through apt, with the archive and the keyring that apt is configured with here, into a cache: $NIDUS_CACHE, else nidus in',
      "$XDG_CACHE_HOME, else ~/.cache/nidus. The system's own package state is not touched. Without apt, give the package files.",
      '',
      'The initramfs has busybox and the modules for virtio, ext4 and 9p. do=list on the kernel command line runs a list of commands with known',
      'output, do=boot only prints MARK-BOOT, otherwise there is a shell.',
      '',
      'Examples:',
      '  nidus fetch debian:6.12',
      '  nidus fetch debian:5.10-full --json',
      '  nidus fetch debian:trixie-backports',
      '  nidus fetch --deb linux-image-6.12.48+deb13-cloud-arm64_6.12.48-1_arm64.deb --deb busybox-static_1.37.0-6_arm64.deb',
      '  nidus fetch debian:6.12 --kernel arch/arm64/boot/Image',
      '  nidus run debian:6.12 --append do=list',
      '',
      'Exit codes: 0 done, 2 bad input, or the packages cannot be had.',
    ].join('\n'),
  },
  parameters: {
    flags: {
      deb: { kind: 'parsed', parse: String, brief: 'Package file instead of apt: kernel, modules, busybox-static (repeatable)', variadic: true, default: [], placeholder: 'FILE' },
      kernel: { kind: 'parsed', parse: String, brief: 'Kernel image instead of a package', optional: true, placeholder: 'FILE' },
      busybox: { kind: 'parsed', parse: String, brief: 'Static arm64 busybox instead of the package', optional: true, placeholder: 'FILE' },
      refresh: { kind: 'boolean', brief: 'Download package lists again although they are less than a day old', default: false, withNegated: false },
      json: { kind: 'boolean', brief: 'Print the manifest as JSON', default: false, withNegated: false },
    },
    positional: { kind: 'tuple', parameters: [{ brief: 'debian:X', parse: String, placeholder: 'WHAT', optional: true }] },
  },
  async func(flags: Flags, what?: string) {
    if (flags.kernel !== undefined && flags.deb.some(deb => /linux-(image|binary|modules)/.test(deb))) throw new BadInput('--kernel', 'there is a kernel in the packages already')
    const cache = cacheFolder(), progress = createProgress()
    const manifest = await fetchDebian(what === undefined ? undefined : parseDebianName(what), {
      debs: flags.deb, ...(flags.kernel === undefined ? {} : { kernel: flags.kernel }), ...(flags.busybox === undefined ? {} : { busybox: flags.busybox }),
    }, { cache, progress: progress.update, refresh: flags.refresh }).finally(progress.clear)
    const kernel = kernelPath(manifest, cache), initramfs = initramfsPath(manifest, cache)
    if (flags.json) process.stdout.write(`${JSON.stringify({ ...manifest, kernel: { ...manifest.kernel, file: kernel }, initramfs: { ...manifest.initramfs, file: initramfs } })}\n`)
    else {
      process.stdout.write(`${formatTable(['what', 'is'], [
        ['name', `debian:${manifest.name}`], ['release', manifest.release], ['suite', manifest.suite ?? 'none'],
        ...manifest.packages.map(({ name, version }) => ['package', `${name} ${version}`]),
        ['kernel', kernel], ['initramfs', initramfs], ['modules', manifest.initramfs.modules.join(' ') || 'none'],
      ])}\n`)
    }
    process.exitCode = EXIT.done
  },
})
