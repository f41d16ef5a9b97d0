/** A Debian root file system out of packages: unpacked by our own code into an ext4 image, so that neither root nor another tool is needed. */
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { BadInput } from '../../arch/bad-input.ts'
import { Ext4Writer } from '../../arch/archive/ext4.ts'
import { ROOT_OWNED, type Attributes } from '../../arch/archive/file-tree.ts'
import type { PackageFile } from './apt.ts'
import { dpkgDatabase, packagesWith } from './dpkg-database.ts'
import { CHROOT_SCRIPT } from './init.ts'
import { openPackage, type PackageEntry, type WholePackage } from './package.ts'
import { secondStageScript } from './second-stage.ts'

export interface RootImageOptions {
  readonly bytes: number
  /** 16 bytes. */
  readonly uuid: Uint8Array
  readonly label: string
  /** The archive and the suite for apt in the image. */
  readonly source: { readonly uri: string, readonly suite: string }
  readonly progress: (text: string) => void
}

/** Links that all of Debian has since its files are below /usr; packages of Debian 12 still name the old places. */
const MERGED = ['bin', 'sbin', 'lib']
/** What Debian's installer writes, shorter. The addresses are those of the user-mode network. */
const settings = ({ source: { uri, suite } }: RootImageOptions): Readonly<Record<string, string>> => ({
  'etc/hostname': 'nidus\n',
  'etc/hosts': '127.0.0.1 localhost nidus\n::1 localhost ip6-localhost ip6-loopback\n',
  'etc/fstab': '# The initramfs of nidus fetch mounts what root= names.\n',
  'etc/default/locale': 'LANG=C.UTF-8\n',
  'etc/resolv.conf': 'nameserver 10.0.2.3\n',
  'etc/systemd/network/80-ether.network': '[Match]\nType=ether\n\n[Network]\nDHCP=yes\n\n[Link]\nRequiredForOnline=no\n',
  'etc/apt/sources.list.d/debian.sources': `Types: deb\nURIs: ${uri.replace(/\/\/[^/@]*@/, '//')}\nSuites: ${suite}\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n`,
})

/** Writes the image to `path`; its packages are unpacked and not configured. */
export async function writeRootImage(path: string, packages: readonly PackageFile[], options: RootImageOptions): Promise<void> {
  const descriptor = openSync(path, 'w')
  try {
    ftruncateSync(descriptor, options.bytes)
    const opened: WholePackage[] = [], { progress } = options
    let writer: Ext4Writer | undefined
    for (const [i, { name, version, file }] of packages.entries()) {
      progress(`unpacking ${i + 1} of ${packages.length}: ${name} ${version}`)
      const whole = await openPackage(file)
      // The contents stay in the image, lists and scripts here.
      writer ??= start(descriptor, options, timeOf(whole.files[0]))
      for (const entry of whole.files) unpack(writer, entry)
      opened.push({ control: whole.control, files: whole.files.map(entry => entry.path.startsWith('etc/') ? entry : { ...entry, data: undefined }) })
    }
    if (writer === undefined) throw new BadInput('root file system', 'there are no packages for it')
    const text = (file: string, content: string | Uint8Array, mode = 0o644): void => { writer!.file(file, typeof content === 'string' ? Buffer.from(content) : content, { ...ROOT_OWNED, mode }) }
    for (const { path: file, content, mode } of dpkgDatabase(opened)) text(file, content, mode)
    for (const [file, content] of Object.entries(settings(options))) text(file, content)
    text(CHROOT_SCRIPT, secondStageScript(packagesWith('preinst', opened)), 0o755)
    progress('file system')
    writer.finish()
  } finally { closeSync(descriptor) }
}

function start(descriptor: number, { bytes, uuid, label }: RootImageOptions, time: number): Ext4Writer {
  const writer = new Ext4Writer({
    bytes, uuid, label, time, write: (offset, data) => {
      for (let at = 0; at < data.length;) at += writeSync(descriptor, data, at, data.length - at, offset + at)
    },
  })
  for (const name of MERGED) {
    writer.folder(`usr/${name}`, ROOT_OWNED)
    writer.link(name, `usr/${name}`, { ...ROOT_OWNED, mode: 0o777 })
  }
  return writer
}

const timeOf = (entry: PackageEntry | undefined): number => Math.floor((entry?.header.mtime?.getTime() ?? 0) / 1000)

function unpack(writer: Ext4Writer, entry: PackageEntry): void {
  const { header, path, data } = entry, attributes: Attributes = { mode: header.mode ?? 0o644, uid: header.uid ?? 0, gid: header.gid ?? 0, time: timeOf(entry) }
  switch (header.type) {
    case 'directory': writer.folder(path, attributes); break
    case 'symlink':
      // A package that has the links of MERGED itself, in other words.
      if (!MERGED.includes(path)) writer.link(path, header.linkname ?? '', { ...attributes, mode: 0o777 })
      break
    case 'link': writer.hardLink(path, header.linkname ?? ''); break
    case 'file': writer.file(path, data ?? new Uint8Array(), attributes); break
    default: throw new BadInput(path, `an entry of type ${header.type ?? 'unknown'} in a package`)
  }
}
