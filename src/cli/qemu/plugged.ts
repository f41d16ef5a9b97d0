/** Options about disks, networks, folders, firmware files and devices. */
import { BadInput } from '../../arch/bad-input.ts'
import type { Configuration, Drive } from './configuration.ts'
import { ABSENT_DRIVERS, DRIVERS } from './devices.ts'
import { accepted, isOn, mapped, only, pairsOf, refused, valuesOf, numberOf, type Keys } from './keyed.ts'

type Warn = (text: string) => void

const RAW = only(['raw', 'file'], 'disks are raw files; qemu-img convert -O raw makes one')
const DRIVE_KEYS: Keys = {
  file: mapped, if: mapped, id: mapped, format: RAW, driver: RAW, readonly: mapped, 'read-only': mapped, snapshot: mapped, unit: mapped, index: mapped, bus: accepted, serial: refused('give it to the device'), media: only(['disk'], 'there is no CD-ROM'),
  cache: accepted, aio: accepted, discard: accepted, 'detect-zeroes': accepted, werror: accepted, rerror: accepted, 'file.locking': accepted, 'auto-read-only': accepted, 'cache.direct': accepted, 'cache.no-flush': accepted,
}
const USES: Readonly<Record<string, Drive['use']>> = { none: 'none', virtio: 'virtio', pflash: 'pflash' }

export function driveOption(c: Configuration, text: string, warn: Warn): void {
  const values = valuesOf('-drive', pairsOf('-drive', text, 'file'), DRIVE_KEYS, warn), file = values.get('file'), use = USES[values.get('if') ?? 'virtio']
  if (file === undefined) throw new BadInput('-drive', `'${text}' names no file`)
  if (use === undefined) throw new BadInput('-drive', `if=${values.get('if')}: there are none, virtio and pflash`)
  const flag = (key: string): boolean => values.has(key) && isOn('-drive', key, values.get(key)!), unit = values.get('unit') ?? values.get('index')
  addDrive(c, {
    id: values.get('id') ?? `${use}${c.drives.length}`, file, use, readOnly: flag('readonly') || flag('read-only'), snapshot: flag('snapshot'), option: '-drive',
    unit: unit === undefined ? undefined : numberOf('-drive', 'unit', unit, 31),
  })
}

function addDrive(c: Configuration, drive: Drive): void {
  if (c.drives.some(({ id }) => id === drive.id)) throw new BadInput(drive.option, `two drives have the id ${drive.id}`)
  c.drives.push(drive)
}

export function simpleDrive(c: Configuration, option: string, file: string, unit: number): void {
  addDrive(c, { id: `virtio${c.drives.length}`, file, use: 'virtio', readOnly: false, snapshot: false, unit, option })
}

export function pflashOption(c: Configuration, file: string): void {
  addDrive(c, { id: `pflash${c.drives.length}`, file, use: 'pflash', readOnly: false, snapshot: false, unit: undefined, option: '-pflash' })
}

const BLOCKDEV_KEYS: Keys = { driver: RAW, 'node-name': mapped, filename: mapped, 'file.filename': mapped, 'file.driver': RAW, file: mapped, 'read-only': mapped, 'auto-read-only': accepted, discard: accepted, cache: accepted, 'cache.direct': accepted, 'cache.no-flush': accepted, aio: accepted, locking: accepted }

export function blockdevOption(c: Configuration, text: string, warn: Warn): void {
  const values = valuesOf('-blockdev', pairsOf('-blockdev', text, 'driver'), BLOCKDEV_KEYS, warn), name = values.get('node-name'), file = values.get('filename') ?? values.get('file.filename'), below = values.get('file')
  if (name === undefined || (file === undefined && below === undefined)) throw new BadInput('-blockdev', `'${text}' needs node-name= and a file`)
  c.blockNodes.set(name, { readOnly: values.has('read-only') && isOn('-blockdev', 'read-only', values.get('read-only')!), ...(file === undefined ? {} : { file }), ...(below === undefined ? {} : { below }) })
}

/** The drive that a device names: a -drive, or a -blockdev down to its file. */
export function driveNamed(c: Configuration, option: string, id: string): Drive {
  const drive = c.drives.find(each => each.id === id)
  if (drive !== undefined) return drive
  let node = c.blockNodes.get(id), readOnly = false
  for (let depth = 0; node !== undefined && depth < 8; depth++) {
    readOnly ||= node.readOnly
    if (node.file !== undefined) return { id, file: node.file, readOnly, snapshot: false, use: 'none', unit: undefined, option: '-blockdev' }
    node = c.blockNodes.get(node.below!)
  }
  throw new BadInput(option, `there is no drive ${id}`)
}

const NET_KEYS: Keys = {
  type: mapped, id: mapped, hostfwd: mapped, model: accepted, mac: mapped, restrict: refused('the guest reaches what the host reaches'), net: only(['10.0.2.0/24'], 'the network is 10.0.2.0/24'), host: only(['10.0.2.2'], 'the host is 10.0.2.2'),
  dhcpstart: accepted, dns: only(['10.0.2.3'], 'the resolver is 10.0.2.3'), hostname: accepted, ipv6: accepted, ipv4: accepted, tftp: refused('there is no TFTP server'), bootfile: refused('there is no TFTP server'), smb: refused('there is no SMB server'), guestfwd: refused('only hostfwd= is there'),
}

export function netdevOption(c: Configuration, text: string, warn: Warn): void {
  const pairs = pairsOf('-netdev', text, 'type'), values = valuesOf('-netdev', pairs, NET_KEYS, warn), id = values.get('id'), kind = values.get('type') ?? ''
  if (kind !== 'user') throw new BadInput('-netdev', `'${kind}' is not user`)
  if (id === undefined) throw new BadInput('-netdev', `'${text}' needs id=`)
  c.netdevs.push({ id, kind, forwards: pairs.filter(([key]) => key === 'hostfwd').map(([, each]) => each) })
}

/** A card and its network in one. */
export function nicOption(c: Configuration, text: string, warn: Warn): void {
  const pairs = pairsOf('-nic', text, 'type'), values = valuesOf('-nic', pairs, NET_KEYS, warn), kind = values.get('type') ?? ''
  if (kind === 'none' || kind === 'nic') return
  if (kind !== 'user') throw new BadInput('-nic', `'${kind}' is neither none nor user`)
  const id = values.get('id') ?? `nic${c.netdevs.length}`, mac = values.get('mac')
  c.netdevs.push({ id, kind, forwards: pairs.filter(([key]) => key === 'hostfwd').map(([, each]) => each) })
  // The board makes its card before any device.
  c.devices.unshift({ driver: 'virtio-net-pci', values: new Map([['netdev', id], ...(mac === undefined ? [] : [['mac', mac] as const])]) })
}

const FS_KEYS: Keys = { fsdriver: only(['local'], 'folders are local'), id: mapped, path: mapped, security_model: accepted, readonly: mapped, mount_tag: mapped, multidevs: accepted, fmode: accepted, dmode: accepted, writeout: accepted }

export function fsdevOption(c: Configuration, text: string, warn: Warn): void {
  const values = valuesOf('-fsdev', pairsOf('-fsdev', text, 'fsdriver'), FS_KEYS, warn), id = values.get('id'), path = values.get('path')
  if (id === undefined || path === undefined) throw new BadInput('-fsdev', `'${text}' needs id= and path=`)
  c.shares.push({ id, path, readOnly: values.has('readonly') && isOn('-fsdev', 'readonly', values.get('readonly')!) })
}

export function virtfsOption(c: Configuration, text: string, warn: Warn): void {
  const values = valuesOf('-virtfs', pairsOf('-virtfs', text, 'fsdriver'), FS_KEYS, warn), path = values.get('path'), tag = values.get('mount_tag')
  if (path === undefined || tag === undefined) throw new BadInput('-virtfs', `'${text}' needs path= and mount_tag=`)
  const id = values.get('id') ?? `virtfs${c.shares.length}`
  c.shares.push({ id, path, readOnly: values.has('readonly') && isOn('-virtfs', 'readonly', values.get('readonly')!) })
  c.devices.push({ driver: 'virtio-9p-pci', values: new Map([['fsdev', id], ['mount_tag', tag]]) })
}

export function fwCfgOption(c: Configuration, text: string, warn: Warn): void {
  const values = valuesOf('-fw_cfg', pairsOf('-fw_cfg', text, 'name'), { name: mapped, file: mapped, string: mapped, gen_id: refused('only file= and string=') }, warn), name = values.get('name'), file = values.get('file'), string = values.get('string')
  if (name === undefined || name.length > 55 || (file === undefined) === (string === undefined)) throw new BadInput('-fw_cfg', `'${text}' needs name= of at most 55 characters, and file= or string=`)
  c.fwCfg.push({ name, ...(file === undefined ? {} : { file }), ...(string === undefined ? {} : { text: string }) })
}

const SEMIHOSTING_KEYS: Keys = { enable: mapped, target: only(['native', 'auto'], 'calls are answered here, not by GDB'), chardev: mapped, userspace: mapped, arg: mapped, files: mapped }

/** `files=FOLDER` is Nidus' own: without it a guest has no files. */
export function semihostingOption(c: Configuration, text: string, warn: Warn): void {
  const pairs = pairsOf('-semihosting-config', text, 'enable'), values = valuesOf('-semihosting-config', pairs, SEMIHOSTING_KEYS, warn), s = c.semihosting
  s.enabled = !values.has('enable') || isOn('-semihosting-config', 'enable', values.get('enable')!)
  s.chardev = values.get('chardev') ?? s.chardev
  s.folder = values.get('files') ?? s.folder
  if (values.has('userspace')) s.userSpace = isOn('-semihosting-config', 'userspace', values.get('userspace')!)
  s.arguments.push(...pairs.filter(([key]) => key === 'arg').map(([, each]) => each))
}

export function deviceOption(c: Configuration, text: string, warn: Warn): void {
  const pairs = pairsOf('-device', text, 'driver'), driver = pairs.find(([key]) => key === 'driver')?.[1] ?? '', row = DRIVERS.get(driver)
  if (row === undefined) {
    const absent = ABSENT_DRIVERS.find(([pattern]) => pattern.test(driver))
    if (absent === undefined) throw new BadInput('-device', `unknown driver '${driver}'; known are ${[...DRIVERS.keys()].join(', ')}`)
    warn(`-device ${driver}: ${absent[1]}`)
    return
  }
  c.devices.push({ driver, values: valuesOf(`-device ${driver},`, pairs, row.keys, warn) })
}
