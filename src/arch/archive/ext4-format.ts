/** Structures of an ext4 file system on disk (Linux, Documentation/filesystems/ext4), little-endian, blocks of 4 KiB, without 64bit and checksums. */
export const BLOCK = 4096
export const BLOCKS_PER_GROUP = BLOCK * 8
export const INODE = 256
/** Bytes of an inode beyond the first 128 that are in use: times with nanoseconds. */
const EXTRA = 32
export const DESCRIPTOR = 32
export const ROOT_INODE = 2
/** 1 to 10 are reserved; e2fsck wants lost+found. */
export const FIRST_INODE = 11
export const LONGEST_NAME = 255
/** In an inode itself. */
export const EXTENTS_IN_INODE = 4
export const EXTENTS_IN_BLOCK = (BLOCK - 12) / 12
export const LONGEST_EXTENT = 32768
/** A shorter target stands in the inode. */
export const LONGEST_INLINE_TARGET = 59

export const TYPE_BITS = { file: 0o100_000, folder: 0o040_000, link: 0o120_000, 'character device': 0o020_000, 'block device': 0o060_000, fifo: 0o010_000 } as const
/** In directory entries. */
const FILE_TYPE = { file: 1, folder: 2, 'character device': 3, 'block device': 4, fifo: 5, link: 7 } as const
export type Kind = keyof typeof TYPE_BITS

const INCOMPATIBLE = 0x2 /* filetype */ | 0x40 /* extents */
const READ_ONLY_COMPATIBLE = 0x1 /* sparse_super */ | 0x2 /* large_file */ | 0x40 /* extra_isize */
const COMPATIBLE = 0x8 /* ext_attr */
const USES_EXTENTS = 0x80000

export interface Extent { readonly logical: number, readonly start: number, readonly count: number }

export interface Superblock {
  readonly blocks: number
  readonly freeBlocks: number
  readonly inodesPerGroup: number
  readonly groups: number
  readonly freeInodes: number
  readonly uuid: Uint8Array
  readonly label: string
  readonly time: number
}

const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** 1024 bytes; `group` is the one that the copy stands in. */
export function superblock(sb: Superblock, group: number): Uint8Array {
  const bytes = new Uint8Array(1024), out = view(bytes)
  const u32 = (at: number, value: number): void => out.setUint32(at, value, true), u16 = (at: number, value: number): void => out.setUint16(at, value, true)
  u32(0, sb.inodesPerGroup * sb.groups)
  u32(4, sb.blocks)
  u32(12, sb.freeBlocks)
  u32(16, sb.freeInodes)
  u32(24, 2) // log2(block / 1024)
  u32(28, 2)
  u32(32, BLOCKS_PER_GROUP)
  u32(36, BLOCKS_PER_GROUP)
  u32(40, sb.inodesPerGroup)
  u32(48, sb.time)
  u16(54, 0xffff) // never checked because of the number of mounts
  u16(56, 0xef53)
  u16(58, 1) // clean
  u16(60, 1) // errors: go on
  u32(64, sb.time)
  u32(76, 1)
  u32(84, FIRST_INODE)
  u16(88, INODE)
  u16(90, group)
  u32(92, COMPATIBLE)
  u32(96, INCOMPATIBLE)
  u32(100, READ_ONLY_COMPATIBLE)
  bytes.set(sb.uuid.subarray(0, 16), 104)
  bytes.set(new TextEncoder().encode(sb.label).subarray(0, 16), 120)
  u32(256, 0xc) // mount options: user_xattr, acl
  u32(264, sb.time)
  u16(348, EXTRA)
  u16(350, EXTRA)
  u32(352, 2) // unsigned directory hash
  return bytes
}

export interface GroupNumbers { readonly blockBitmap: number, readonly inodeBitmap: number, readonly inodeTable: number, readonly freeBlocks: number, readonly freeInodes: number, readonly folders: number }

export function putDescriptor(out: DataView, at: number, group: GroupNumbers): void {
  out.setUint32(at, group.blockBitmap, true)
  out.setUint32(at + 4, group.inodeBitmap, true)
  out.setUint32(at + 8, group.inodeTable, true)
  out.setUint16(at + 12, group.freeBlocks, true)
  out.setUint16(at + 14, group.freeInodes, true)
  out.setUint16(at + 16, group.folders, true)
}

export interface Inode {
  readonly kind: Kind
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly time: number
  readonly links: number
  readonly size: number
  /** Of data and of extent blocks. */
  readonly blocks: number
  /** 60 bytes: extents, a link's target, or a device's number. */
  readonly body: Uint8Array
  readonly extents: boolean
}

export function putInode(bytes: Uint8Array, at: number, inode: Inode): void {
  const out = view(bytes)
  const u32 = (offset: number, value: number): void => out.setUint32(at + offset, value, true), u16 = (offset: number, value: number): void => out.setUint16(at + offset, value, true)
  u16(0, TYPE_BITS[inode.kind] | (inode.mode & 0o7777))
  u16(2, inode.uid)
  u32(4, inode.size)
  for (const offset of [8, 12, 16, 144]) u32(offset, inode.time)
  u16(24, inode.gid)
  u16(26, inode.links)
  u32(28, inode.blocks * (BLOCK / 512))
  u32(32, inode.extents ? USES_EXTENTS : 0)
  bytes.set(inode.body.subarray(0, 60), at + 40)
  u32(108, Math.floor(inode.size / 2 ** 32))
  u16(120, inode.uid >>> 16)
  u16(122, inode.gid >>> 16)
  u16(128, EXTRA)
}

function putExtentHeader(out: DataView, entries: number, most: number, depth: number): void {
  out.setUint16(0, 0xf30a, true)
  out.setUint16(2, entries, true)
  out.setUint16(4, most, true)
  out.setUint16(6, depth, true)
}

/** Extents in `size` bytes: those of an inode (60) or of a block. */
export function extentLeaf(extents: readonly Extent[], size: number): Uint8Array {
  const bytes = new Uint8Array(size), out = view(bytes)
  putExtentHeader(out, extents.length, Math.floor((size - 12) / 12), 0)
  extents.forEach(({ logical, start, count }, i) => {
    out.setUint32(12 + 12 * i, logical, true)
    out.setUint16(16 + 12 * i, count, true)
    out.setUint32(20 + 12 * i, start, true)
  })
  return bytes
}

/** The root in an inode when the extents stand in blocks of their own. */
export function extentIndex(leaves: readonly { readonly logical: number, readonly block: number }[]): Uint8Array {
  const bytes = new Uint8Array(60), out = view(bytes)
  putExtentHeader(out, leaves.length, EXTENTS_IN_INODE, 1)
  leaves.forEach(({ logical, block }, i) => {
    out.setUint32(12 + 12 * i, logical, true)
    out.setUint32(16 + 12 * i, block, true)
  })
  return bytes
}

export interface DirectoryEntry { readonly name: Uint8Array, readonly inode: number, readonly kind: Kind }

/** Blocks of a linear directory. */
export function directoryBlocks(entries: readonly DirectoryEntry[]): Uint8Array {
  const sizeOf = ({ name }: DirectoryEntry): number => (8 + name.length + 3) & ~3
  const blocks: DirectoryEntry[][] = [[]]
  let room = BLOCK
  for (const entry of entries) {
    if (sizeOf(entry) > room) {
      blocks.push([])
      room = BLOCK
    }
    blocks.at(-1)!.push(entry)
    room -= sizeOf(entry)
  }
  const bytes = new Uint8Array(blocks.length * BLOCK), out = view(bytes)
  blocks.forEach((block, b) => {
    let at = b * BLOCK
    block.forEach((entry, i) => {
      // The last one takes what is left.
      const length = i === block.length - 1 ? (b + 1) * BLOCK - at : sizeOf(entry)
      out.setUint32(at, entry.inode, true)
      out.setUint16(at + 4, length, true)
      out.setUint8(at + 6, entry.name.length)
      out.setUint8(at + 7, FILE_TYPE[entry.kind])
      bytes.set(entry.name, at + 8)
      at += length
    })
  })
  return bytes
}
