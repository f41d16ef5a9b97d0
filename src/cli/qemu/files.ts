/** What a configuration names, opened: images, flash, disks, folders, and where characters go. */
import { closeSync, existsSync, openSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { BadInput } from '../../arch/bad-input.ts'
import { FLASH_SIZE } from '../../arch/board.ts'
import { isElf, parseElf, type Elf } from '../../arch/image/elf.ts'
import { isArm64Image } from '../../arch/image/arm64-image.ts'
import { unwrapImage } from '../../arch/image/compressed.ts'
import type { Blob, ModuleRequest } from '../../arch/image/load.ts'
import type { FwCfgFile, Plug, ShareFiles } from '../../devices/index.ts'
import type { FlashImage } from '../../machine/flash-banks.ts'
import type { SemihostingFiles } from '../../machine/semihosting.ts'
import { decompress } from '../decompress.ts'
import { openDisk } from '../disk.ts'
import { NodeNetwork } from '../network.ts'
import { inputFile } from '../options.ts'
import { portForward } from '../plugs.ts'
import { openShare } from '../share.ts'
import type { Character, Configuration, Device, Drive } from './configuration.ts'
import { DRIVERS } from './devices.ts'
import { isOn, numberOf, sizeOf } from './keyed.ts'
import { Places, type Place } from './places.ts'
import { driveNamed } from './plugged.ts'

const FIRMWARE_FOLDERS = ['/usr/share/qemu', '/usr/share/qemu-efi-aarch64', '/usr/share/AAVMF']

/** -bios NAME is looked for as QEMU does. */
export function firmwareFile(c: Configuration, name: string): Uint8Array {
  const path = existsSync(name) || name.includes('/') ? name : [...c.biosFolders, ...FIRMWARE_FOLDERS].map(folder => join(folder, name)).find(file => existsSync(file)) ?? name
  const bytes = inputFile('-bios', path)
  if (bytes.length > FLASH_SIZE) throw new BadInput('-bios', `${path} has ${bytes.length} bytes, more than a bank of flash`)
  return bytes
}

export function flashImages(c: Configuration): readonly (FlashImage | undefined)[] {
  const banks: (FlashImage | undefined)[] = [undefined, undefined]
  for (const drive of c.drives.filter(({ use }) => use === 'pflash')) {
    const bank = drive.unit ?? banks.indexOf(undefined)
    if (bank < 0 || bank > 1 || banks[bank] !== undefined) throw new BadInput(drive.option, `${drive.file}: there are two banks of flash, 0 and 1`)
    banks[bank] = flashImage(c, drive)
  }
  for (const [machineKey, bank] of [['bios', 0]] as const) {
    if (c[machineKey] === undefined) continue
    if (banks[bank] !== undefined) throw new BadInput('-bios', 'bank 0 of flash has a file already')
    banks[bank] = { bytes: firmwareFile(c, c[machineKey]) }
  }
  return banks
}

/** A file that is not read-only is written to. */
function flashImage(c: Configuration, { file, readOnly, snapshot, option }: Drive): FlashImage {
  const bytes = inputFile(option, file)
  if (bytes.length > FLASH_SIZE) throw new BadInput(option, `${file} has ${bytes.length} bytes, more than a bank of flash`)
  if (readOnly || snapshot || c.snapshot) return { bytes }
  let descriptor: number
  try { descriptor = openSync(file, 'r+') } catch { throw new BadInput(option, `${file} cannot be written; add readonly=on`) }
  return { bytes, onWrite: (offset, changed) => { if (offset < bytes.length) writeSync(descriptor, changed.subarray(0, bytes.length - offset), 0, undefined, offset) } }
}

export interface OpenCharacter { readonly write: (bytes: Uint8Array) => void, readonly close: () => void }

export function openCharacter(character: Character, terminal: (bytes: Uint8Array) => void, exit: (code: number) => void): OpenCharacter {
  const close = (): void => {}
  switch (character.kind) {
    case 'terminal': return { write: terminal, close }
    case 'stderr': return { write: bytes => { process.stderr.write(bytes) }, close }
    case 'null': return { write: () => {}, close }
    case 'file': {
      let descriptor: number
      try { descriptor = openSync(character.path, character.append ? 'a' : 'w') } catch (error) { throw new BadInput('file', `${character.path} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`) }
      return { write: bytes => { writeSync(descriptor, bytes) }, close: () => { closeSync(descriptor) } }
    }
    case 'testdev': return { write: testDevice(exit), close }
  }
}

/** Decimal digits and `q`: the run ends with the code shifted left and bit 0 set, as QEMU's. */
export function testDevice(exit: (code: number) => void): (bytes: Uint8Array) => void {
  let digits = ''
  return bytes => {
    for (const byte of bytes) {
      const letter = String.fromCharCode(byte)
      if (letter >= '0' && letter <= '9') digits = (digits + letter).slice(-9)
      else {
        if (letter === 'q') exit(((Number(digits) << 1) | 1) & 0xff)
        digits = ''
      }
    }
  }
}

// ---- plugs ----

export interface OpenDevices { readonly plugs: readonly Plug[], readonly network: NodeNetwork | undefined, /** Plug that gets what is typed, if not the UART. */ readonly typed: string | undefined }

export function openDevices(c: Configuration, character: (id: string) => { readonly write: (bytes: Uint8Array) => void, readonly isTerminal: boolean }, warn: (text: string) => void): OpenDevices {
  const plugs: Plug[] = [], drives = new Set<string>()
  let network: NodeNetwork | undefined, typed: string | undefined
  const places = new Places(c.devices, warn)
  /** Where the consoles of a virtio-serial device go: one device has one port here, so that a second one is a device more. */
  const buses: { readonly id: string | undefined, readonly device: Device, place: Place | undefined }[] = []
  const consolePlace = (port: Device): Place => {
    const bus = port.values.get('bus')?.replace(/\.\d+$/, ''), found = bus === undefined ? buses[0] : buses.find(({ id }) => id === bus)
    if (found === undefined) throw new BadInput(`-device ${port.driver}`, bus === undefined ? 'it needs a virtio-serial device before it' : `there is no virtio-serial device with id=${bus}`)
    const { place, device } = found
    if (place === undefined) return places.of({ driver: device.driver, values: new Map() })
    found.place = undefined
    return place
  }
  const disk = (drive: Drive, device: Device): void => {
    if (drives.has(drive.id)) throw new BadInput('-device', `drive ${drive.id} is used twice`)
    drives.add(drive.id)
    const serial = device.values.get('serial')
    plugs.push({ kind: 'block', backing: openDisk(drive.file, drive.readOnly ? 'ro' : drive.snapshot || c.snapshot ? 'overlay' : 'rw', drive.option), ...places.of(device), ...(serial === undefined ? {} : { serial }) })
  }
  const needed = (device: Device, key: string): string => {
    const value = device.values.get(key)
    if (value === undefined) throw new BadInput(`-device ${device.driver}`, `it needs ${key}=`)
    return value
  }
  for (const device of c.devices) {
    switch (DRIVERS.get(device.driver)!.kind) {
      case 'block': disk(driveNamed(c, `-device ${device.driver}`, needed(device, 'drive')), device); break
      case 'entropy': plugs.push({ kind: 'entropy', seed: c.seed, ...places.of(device) }); break
      case 'console-bus': buses.push({ id: device.values.get('id'), device, place: places.of(device) }); break
      case 'console': {
        const { write, isTerminal } = character(needed(device, 'chardev')), name = `console${plugs.filter(({ kind }) => kind === 'console').length}`
        if (isTerminal) typed = name
        plugs.push({ kind: 'console', name, output: write, ...consolePlace(device) })
        break
      }
      case 'share': {
        const id = needed(device, 'fsdev'), share = c.shares.find(each => each.id === id)
        if (share === undefined) throw new BadInput(`-device ${device.driver}`, `there is no fsdev ${id}`)
        plugs.push({ kind: 'share', tag: needed(device, 'mount_tag'), files: openShare(share.path, share.readOnly), ...places.of(device) })
        break
      }
      case 'network': {
        const id = device.values.get('netdev'), netdev = c.netdevs.find(each => each.id === id), mac = device.values.get('mac')
        if (id !== undefined && netdev === undefined) throw new BadInput(`-device ${device.driver}`, `there is no netdev ${id}`)
        if (network !== undefined) throw new BadInput(`-device ${device.driver}`, 'there is one network card at most')
        network = new NodeNetwork()
        plugs.push({ kind: 'network', name: 'network0', host: network, forwards: (netdev?.forwards ?? []).map(portForward), ...places.of(device), ...(mac === undefined ? {} : { mac }) })
        break
      }
      default: break
    }
  }
  for (const drive of c.drives) if (drive.use === 'virtio' && !drives.has(drive.id)) disk(drive, { driver: 'virtio-blk-pci', values: new Map() })
  return { plugs, network, typed }
}

export function fwCfgFiles(c: Configuration): readonly FwCfgFile[] {
  return c.fwCfg.map(({ name, file, text }) => ({ name, bytes: file === undefined ? new TextEncoder().encode(text) : inputFile('-fw_cfg', file) }))
}

// ---- what is started ----

export interface Started {
  readonly image: Uint8Array | undefined
  readonly elf: Elf | undefined
  readonly initrd: Uint8Array | undefined
  readonly dtb: Uint8Array | undefined
  readonly blobs: readonly Blob[]
  readonly modules: readonly ModuleRequest[]
  /** Of a -device loader with cpu-num=0. */
  readonly entry: number | undefined
}

export async function openStarted(c: Configuration): Promise<Started> {
  const optional = (option: string, path: string | undefined): Uint8Array | undefined => path === undefined ? undefined : inputFile(option, path)
  // QEMU's words: test runners tell by them that a command line was right up to its kernel.
  if (c.kernel !== undefined && !existsSync(c.kernel)) throw new BadInput('-kernel', `could not load kernel '${c.kernel}': there is no such file`)
  const image = c.kernel === undefined ? undefined : await unwrapImage(inputFile('-kernel', c.kernel), decompress)
  const blobs: Blob[] = [], modules: ModuleRequest[] = []
  let entry: number | undefined, elf = image !== undefined && isElf(image) ? parseElf(image) : undefined
  for (const { driver, values } of c.devices) {
    if (driver === 'guest-loader') modules.push(guestModule(values))
    if (driver !== 'loader') continue
    const loaded = loaderBlobs(values)
    blobs.push(...loaded.blobs)
    elf ??= loaded.elf
    const cpu = values.get('cpu-num')
    if (cpu === undefined) continue
    if (numberOf('-device loader', 'cpu-num', cpu, 255) !== 0) throw new BadInput('-device loader', `cpu-num=${cpu}: CPU 0 starts, the others by PSCI`)
    entry = loaded.entry
  }
  return { image, elf, initrd: optional('-initrd', c.initrd), dtb: optional('-dtb', c.dtb), blobs, modules, entry }
}

const addressOf = (option: string, values: ReadonlyMap<string, string>): number | undefined => values.has('addr') ? numberOf(option, 'addr', values.get('addr')!, 2 ** 48) : undefined

function guestModule(values: ReadonlyMap<string, string>): ModuleRequest {
  const option = '-device guest-loader', address = addressOf(option, values), kernel = values.get('kernel'), initrd = values.get('initrd'), bootargs = values.get('bootargs')
  if (address === undefined || (kernel === undefined) === (initrd === undefined)) throw new BadInput(option, 'it needs addr=, and kernel= or initrd=')
  return { address, bytes: inputFile(option, kernel ?? initrd!), kind: kernel === undefined ? 'ramdisk' : 'kernel', ...(bootargs === undefined ? {} : { bootargs }) }
}

function loaderBlobs(values: ReadonlyMap<string, string>): { readonly blobs: readonly Blob[], readonly entry: number | undefined, readonly elf?: Elf } {
  const option = '-device loader', address = addressOf(option, values), file = values.get('file'), data = values.get('data')
  if (data !== undefined) {
    const length = numberOf(option, 'data-len', values.get('data-len') ?? '', 8)
    if (address === undefined || length === 0) throw new BadInput(option, 'data= needs addr= and data-len= of 1 to 8')
    const value = BigInt(/^(?:0x[0-9a-f]+|\d+)$/i.test(data) ? data : sizeOf(option, data, 'B')), bytes = Uint8Array.from({ length }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn))
    if (values.has('data-be') && isOn(option, 'data-be', values.get('data-be')!)) bytes.reverse()
    return { blobs: [{ name: option, address, bytes, memorySize: length }], entry: undefined }
  }
  if (file === undefined) return { blobs: [], entry: address }
  const bytes = inputFile(option, file), raw = values.has('force-raw') && isOn(option, 'force-raw', values.get('force-raw')!)
  if (!raw && isElf(bytes)) {
    const elf = parseElf(bytes)
    return {
      elf, entry: Number(elf.entry),
      blobs: elf.segments.map(segment => ({ name: `${option} ${file}`, address: Number(segment.physicalAddress), bytes: bytes.subarray(segment.fileOffset, segment.fileOffset + segment.fileSize), memorySize: segment.memorySize })),
    }
  }
  if (address === undefined) throw new BadInput(option, `${file} is no ELF file: it needs addr=`)
  return { blobs: [{ name: `${option} ${file}`, address, bytes, memorySize: isArm64Image(bytes) && !raw ? Math.max(bytes.length, Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(16, true))) : bytes.length }], entry: address }
}

// ---- semihosting ----

/** The files of one folder, by the rules of a share: no path and no link leaves it. */
export function semihostingFiles(folder: string): SemihostingFiles {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new BadInput('-semihosting-config', `files=${folder} is no folder`)
  const files: ShareFiles = openShare(folder, false)
  const parts = (path: string): string[] | undefined => {
    const names = path.split('/').filter(name => name !== '' && name !== '.')
    return names.length === 0 || names.some(name => name === '..' || name.includes('\0')) ? undefined : names
  }
  return {
    open: (path, mode) => {
      const names = parts(path), write = mode !== 'r', opened = { read: true, write, append: false, truncate: mode.startsWith('w') }
      if (names === undefined) return undefined
      const file = mode.startsWith('r') ? files.open(names, opened) : files.create(names, opened, 0o666, false)
      if (typeof file === 'number') return undefined
      const count = (result: number | { readonly errno: number }): number | undefined => typeof result === 'number' ? result : undefined
      return {
        read: (offset, into) => count(file.read(offset, into)), write: (offset, from) => count(file.write(offset, from)), close: () => { file.close() },
        size: () => {
          const attributes = files.attributes(names)
          return typeof attributes === 'number' ? 0 : attributes.size
        },
      }
    },
    remove: path => { const names = parts(path); return names !== undefined && files.remove(names, false) === undefined },
    rename: (from, to) => { const a = parts(from), b = parts(to); return a !== undefined && b !== undefined && files.rename(a, b) === undefined },
  }
}
