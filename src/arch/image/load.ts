/**
 * Where an image, initrd, modules and device tree go in RAM, by the arm64 boot protocol: X0 = device tree, X1 to X3 zero, MMU off
 * (Linux, Documentation/arch/arm64/booting). Pure: the machine and L0's VMs copy the placements.
 */
import { BadInput } from '../bad-input.ts'
import { RAM_BASE, type Board } from '../board.ts'
import { completeDeviceTree, deviceTreeOf, type BootModule, type DeviceTreeOptions } from '../device-tree.ts'
import { readFdt, writeFdt } from '../fdt.ts'
import { isArm64Image, parseArm64Image } from './arm64-image.ts'
import { imageFormat } from './compressed.ts'
import { isElf, parseElf, type Elf } from './elf.ts'

export interface LoadRequest {
  /** ELF or arm64 Image, unwrapped (see unwrapImage). Without it the first PE starts at `entry`, in firmware or in one of `blobs`. */
  readonly image?: Uint8Array
  /** Instead of the image's own; default without an image: 0, where the flash is. */
  readonly entry?: number
  /** Bytes for fixed addresses. */
  readonly blobs?: readonly Blob[]
  readonly initrd?: Uint8Array
  /** multiboot,module nodes: the first is the kernel, the others ramdisks. */
  readonly modules?: readonly ModuleRequest[]
  /** A user's device tree; the board's own if absent. */
  readonly dtb?: Uint8Array
  readonly bootargs?: string
  readonly psci?: 'hvc' | 'smc'
  readonly rngSeed?: Uint8Array
  /** Bytes at the top of RAM that stay free. */
  readonly reservedBytes?: number
  /** Take bytes of no known format for code, as QEMU's -kernel does: at RAM + 0x80000. */
  readonly allowRaw?: boolean
}

/** Without `kind` the first module is the kernel, the others ramdisks; without `address` it goes where there is room. */
export interface ModuleRequest { readonly bytes: Uint8Array, readonly bootargs?: string, readonly address?: number, readonly kind?: BootModule['kind'] }

export interface Blob {
  /** For messages: the option that brought it. */
  readonly name: string
  readonly address: number
  readonly bytes: Uint8Array
  /** bytes.length or more: the rest is zero. */
  readonly memorySize: number
}

export interface Placement {
  readonly what: 'image' | 'initrd' | 'module' | 'blob' | 'device tree'
  readonly address: number
  readonly bytes: Uint8Array
  /** bytes.length or more: the rest is zero (bss). */
  readonly memorySize: number
}

export interface LoadPlan {
  readonly entry: number
  /** Goes to X0. */
  readonly dtbAddress: number
  readonly dtb: Uint8Array
  readonly placements: readonly Placement[]
  /** The image's symbols, if it is an ELF file. */
  readonly elf: Elf | undefined
}

const MIB2 = 0x20_0000
/** Initrd and modules: page aligned for every granule. */
const ALIGN = 0x1_0000
/** The boot protocol's limit. */
const MAX_DTB = MIB2
const RAW_OFFSET = 0x8_0000
const MOST_RAW = 128 * 2 ** 20

const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment
const hex = (value: number | bigint): string => `0x${value.toString(16)}`

/** Where everything goes. Throws BadInput: unknown format, outside RAM, too large. */
export function planLoad(board: Board, request: LoadRequest): LoadPlan {
  const ramEnd = RAM_BASE + board.memBytes - (request.reservedBytes ?? 0)
  const image: PlacedImage = request.image === undefined ? { entry: request.entry ?? 0, placements: [], elf: undefined } : placeImage(request, request.image)
  const placements: Placement[] = [...image.placements]
  for (const { address, memorySize } of placements) {
    if (address < RAM_BASE || address + memorySize > ramEnd) {
      throw new BadInput('image', `its memory [${hex(address)}, ${hex(address + memorySize)}) is outside RAM [${hex(RAM_BASE)}, ${hex(ramEnd)})`)
    }
  }

  placements.push(...placeFixed(request, placements, ramEnd))
  // Nothing says how much memory behind raw code is its bss and stack: as in QEMU all else is far away.
  const far = image.isRaw === true ? RAM_BASE + Math.min(board.memBytes / 2, MOST_RAW) : RAM_BASE
  let cursor = Math.max(far, ...placements.map(each => each.address + each.memorySize))
  const append = (what: 'initrd' | 'module', bytes: Uint8Array): number => {
    const address = alignUp(cursor, ALIGN)
    if (address + bytes.length > ramEnd) throw new BadInput(what, `${bytes.length} bytes at ${hex(address)} do not fit below the end of RAM ${hex(ramEnd)}; more memory is needed`)
    placements.push({ what, address, bytes, memorySize: bytes.length })
    cursor = address + bytes.length
    return address
  }
  const modules: BootModule[] = (request.modules ?? []).map(({ bytes, bootargs, address, kind }, i) => ({
    address: address ?? append('module', bytes), size: bytes.length, kind: kind ?? (i === 0 ? 'kernel' : 'ramdisk'), ...(bootargs === undefined ? {} : { bootargs }),
  }))
  let initrd: DeviceTreeOptions['initrd']
  if (request.initrd !== undefined) {
    const start = append('initrd', request.initrd)
    initrd = { start, end: start + request.initrd.length }
  }

  const options: DeviceTreeOptions = {
    modules,
    ...(request.bootargs === undefined ? {} : { bootargs: request.bootargs }), ...(initrd === undefined ? {} : { initrd }),
    ...(request.psci === undefined ? {} : { psci: request.psci }), ...(request.rngSeed === undefined ? {} : { rngSeed: request.rngSeed }),
  }
  const tree = request.dtb === undefined ? deviceTreeOf(board, options) : completeDeviceTree(readFdt(request.dtb), options)
  const dtb = writeFdt(tree)
  if (dtb.length > MAX_DTB) throw new BadInput('device tree', `${dtb.length} bytes are more than the 2 MiB that the arm64 boot protocol allows`)
  const dtbAddress = placeDeviceTree(placements, dtb.length, cursor, ramEnd, image.isRaw === true)
  placements.push({ what: 'device tree', address: dtbAddress, bytes: dtb, memorySize: dtb.length })
  return { entry: request.entry ?? image.entry, dtbAddress, dtb, placements, elf: image.elf }
}

/** What the caller has chosen the address of: inside RAM, and not in anybody's way. */
function placeFixed(request: LoadRequest, others: readonly Placement[], ramEnd: number): readonly Placement[] {
  const taken = others.map(each => ({ name: each.what as string, address: each.address, end: each.address + each.memorySize })), placements: Placement[] = []
  const place = (what: 'module' | 'blob', name: string, address: number, bytes: Uint8Array, memorySize: number): void => {
    const end = address + memorySize
    if (address < RAM_BASE || end > ramEnd) throw new BadInput(name, `its memory [${hex(address)}, ${hex(end)}) is outside RAM [${hex(RAM_BASE)}, ${hex(ramEnd)})`)
    const clash = taken.find(other => address < other.end && other.address < end)
    if (clash !== undefined) throw new BadInput(name, `its memory [${hex(address)}, ${hex(end)}) overlaps ${clash.name} [${hex(clash.address)}, ${hex(clash.end)})`)
    taken.push({ name, address, end })
    placements.push({ what, address, bytes, memorySize })
  }
  for (const { name, address, bytes, memorySize } of request.blobs ?? []) place('blob', name, address, bytes, memorySize)
  for (const { bytes, address } of request.modules ?? []) if (address !== undefined) place('module', 'module', address, bytes, bytes.length)
  return placements
}

/** At the start of RAM as in QEMU, unless something else stands there; then behind everything. */
function placeDeviceTree(placements: readonly Placement[], size: number, end: number, ramEnd: number, behind: boolean): number {
  const overlaps = (address: number): boolean => placements.some(each => address < each.address + each.memorySize && each.address < address + size)
  const address = behind || overlaps(RAM_BASE) ? alignUp(end, MIB2) : RAM_BASE
  if (address + size > ramEnd) throw new BadInput('device tree', `${size} bytes at ${hex(address)} do not fit below the end of RAM ${hex(ramEnd)}; more memory is needed`)
  return address
}

interface PlacedImage { readonly entry: number, readonly placements: readonly Placement[], readonly elf: Elf | undefined, readonly isRaw?: boolean }

function placeImage(request: LoadRequest, image: Uint8Array): PlacedImage {
  if (isElf(image)) return placeElf(image)
  if (isArm64Image(image)) {
    const header = parseArm64Image(image)
    // QEMU keeps the first page free for its own stub: with no text_offset the image starts 2 MiB into RAM.
    const address = RAM_BASE + (header.textOffset < 0x1000 ? MIB2 : 0) + header.textOffset
    return { entry: address, elf: undefined, placements: [{ what: 'image', address, bytes: image, memorySize: Math.max(image.length, header.imageSize) }] }
  }
  if (request.allowRaw === true && image.length > 0) {
    return { entry: RAM_BASE + RAW_OFFSET, elf: undefined, isRaw: true, placements: [{ what: 'image', address: RAM_BASE + RAW_OFFSET, bytes: image, memorySize: image.length }] }
  }
  const format = imageFormat(image)
  throw new BadInput('image', format === 'unknown' ? 'neither ELF nor an arm64 Image, plain or in gzip, zstd or EFI zboot' : `still wrapped (${format})`, 0)
}

function placeElf(image: Uint8Array): PlacedImage {
  const elf = parseElf(image)
  const placements = elf.segments.map((segment, i): Placement => {
    if (segment.physicalAddress > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new BadInput('ELF image', `segment ${i} has the physical address ${hex(segment.physicalAddress)}, which is no RAM; of a Linux kernel use the Image, not vmlinux`)
    }
    return { what: 'image', address: Number(segment.physicalAddress), bytes: image.subarray(segment.fileOffset, segment.fileOffset + segment.fileSize), memorySize: segment.memorySize }
  })
  const sorted = placements.toSorted((a, b) => a.address - b.address)
  sorted.forEach((each, i) => {
    const next = sorted[i + 1]
    if (next !== undefined && each.address + each.memorySize > next.address) throw new BadInput('ELF image', `segments at ${hex(each.address)} and ${hex(next.address)} overlap`)
  })
  // The entry point is virtual: take it through the segment that holds it.
  const home = elf.segments.find(segment => elf.entry >= segment.virtualAddress && elf.entry < segment.virtualAddress + BigInt(segment.memorySize))
  if (home === undefined) throw new BadInput('ELF image', `the entry point ${hex(elf.entry)} is in no segment`, 24)
  return { entry: Number(elf.entry - home.virtualAddress + home.physicalAddress), placements, elf }
}
