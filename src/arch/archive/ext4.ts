/**
 * Writer of ext4 file systems: contents go to their place when they are added, everything else when it ends. No journal, no feature that a kernel
 * since 2.6.28 lacks; the same calls give the same bytes. Owners are those of the tree, whoever runs this.
 */
import { BadInput } from '../bad-input.ts'
import { FileTree, ROOT_OWNED, type Attributes, type FolderNode, type TreeNode } from './file-tree.ts'
import {
  BLOCK, BLOCKS_PER_GROUP, DESCRIPTOR, EXTENTS_IN_BLOCK, EXTENTS_IN_INODE, FIRST_INODE, INODE, LONGEST_EXTENT, LONGEST_INLINE_TARGET, LONGEST_NAME, ROOT_INODE,
  directoryBlocks, extentIndex, extentLeaf, putDescriptor, putInode, superblock, type DirectoryEntry, type Extent, type Inode, type Superblock,
} from './ext4-format.ts'

export interface Ext4Options {
  readonly bytes: number
  /** Writes at an offset; what is never written reads as zeros. */
  readonly write: (offset: number, bytes: Uint8Array) => void
  /** 16 bytes. */
  readonly uuid: Uint8Array
  readonly label: string
  /** Seconds since 1970. */
  readonly time: number
}

interface Content { readonly size: number, readonly extents: readonly Extent[] }

/** One inode for so many bytes of the file system. */
const BYTES_PER_INODE = 16_384
const SMALLEST = 2 ** 20
const encoder = new TextEncoder()

export class Ext4Writer {
  readonly tree = new FileTree()
  readonly #options: Ext4Options
  readonly #blocks: number
  readonly #groups: number
  readonly #inodesPerGroup: number
  readonly #descriptorBlocks: number
  readonly #tableBlocks: number
  #next: number

  constructor(options: Ext4Options) {
    if (options.bytes < SMALLEST || options.bytes >= 2 ** 42) throw new BadInput('file system', `${options.bytes} bytes are no size for one`)
    this.#options = options
    let blocks = Math.floor(options.bytes / BLOCK)
    const groupsOf = (count: number): number => Math.ceil(count / BLOCKS_PER_GROUP)
    this.#inodesPerGroup = Math.ceil(Math.min(BLOCKS_PER_GROUP, blocks) * BLOCK / BYTES_PER_INODE / (BLOCK / INODE)) * (BLOCK / INODE)
    this.#tableBlocks = this.#inodesPerGroup * INODE / BLOCK
    this.#descriptorBlocks = Math.ceil(groupsOf(blocks) * DESCRIPTOR / BLOCK)
    // A last group without room for anything is left out.
    const rest = blocks % BLOCKS_PER_GROUP
    if (blocks > BLOCKS_PER_GROUP && rest > 0 && rest < this.#tableBlocks + this.#descriptorBlocks + 64) blocks -= rest
    this.#blocks = blocks
    this.#groups = groupsOf(blocks)
    this.#next = this.#firstData(0)
    this.tree.folder('lost+found', { ...ROOT_OWNED, mode: 0o700, time: options.time })
  }

  folder(path: string, attributes: Attributes): void { this.tree.folder(path, attributes) }
  file(path: string, bytes: Uint8Array, attributes: Attributes): void { this.tree.add(path, { kind: 'file', attributes, content: this.#store(bytes) }) }
  link(path: string, target: string, attributes: Attributes): void { this.tree.add(path, { kind: 'link', attributes, target }) }
  hardLink(path: string, target: string): void { this.tree.hardLink(path, target) }

  /** Copies of the superblock and of the descriptors: in groups 0, 1 and the powers of 3, 5 and 7 (sparse_super). */
  #hasCopy(group: number): boolean {
    const isPower = (base: number): boolean => {
      let power = base
      while (power < group) power *= base
      return power === group
    }
    return group <= 1 || isPower(3) || isPower(5) || isPower(7)
  }

  #bitmaps(group: number): number { return group * BLOCKS_PER_GROUP + (this.#hasCopy(group) ? 1 + this.#descriptorBlocks : 0) }
  #firstData(group: number): number { return this.#bitmaps(group) + 2 + this.#tableBlocks }
  #endOf(group: number): number { return Math.min((group + 1) * BLOCKS_PER_GROUP, this.#blocks) }

  /** The next free blocks, `most` at the most, in one piece. */
  #allocate(most: number): { readonly start: number, readonly count: number } {
    let group = Math.floor(this.#next / BLOCKS_PER_GROUP)
    if (this.#next >= this.#endOf(group) || this.#next < this.#firstData(group)) {
      if (this.#next % BLOCKS_PER_GROUP !== 0) group++
      this.#next = this.#firstData(group)
    }
    if (group >= this.#groups || this.#next >= this.#blocks) throw new BadInput('file system', `${this.#options.bytes} bytes are too small for the files`)
    const start = this.#next, count = Math.min(most, this.#endOf(group) - start, LONGEST_EXTENT)
    this.#next += count
    return { start, count }
  }

  #store(bytes: Uint8Array): Content {
    const extents: Extent[] = [], blocks = Math.ceil(bytes.length / BLOCK)
    for (let logical = 0; logical < blocks;) {
      const { start, count } = this.#allocate(blocks - logical)
      this.#options.write(start * BLOCK, bytes.subarray(logical * BLOCK, (logical + count) * BLOCK))
      extents.push({ logical, start, count })
      logical += count
    }
    return { size: bytes.length, extents }
  }

  /** Writes folders, inodes, bitmaps and superblocks. */
  finish(): { readonly usedBytes: number, readonly inodes: number } {
    const { numbers, parents } = numberInodes(this.tree.root), links = countLinks(this.tree.root)
    const inodes = new Uint8Array(this.#groups * this.#inodesPerGroup * INODE), used = new Uint8Array(this.#groups * BLOCK), folders = new Uint32Array(this.#groups)
    const mark = (start: number, count: number): void => { for (let block = start; block < start + count; block++) used[block >> 3]! |= 1 << (block & 7) }
    const last = FIRST_INODE + numbers.size - 2
    if (last > this.#groups * this.#inodesPerGroup) throw new BadInput('file system', `${this.#options.bytes} bytes have inodes for ${this.#groups * this.#inodesPerGroup} files, and there are ${last}`)
    for (const [node, number] of numbers) {
      const entries = (folder: FolderNode): readonly DirectoryEntry[] => entriesOf(folder, number, numbers.get(parents.get(folder) ?? folder)!, numbers)
      putInode(inodes, (number - 1) * INODE, this.#inode(node, entries, links.get(node) ?? 1, mark))
      if (node.kind === 'folder') folders[Math.floor((number - 1) / this.#inodesPerGroup)]!++
    }
    let freeBlocks = 0
    const descriptors = new Uint8Array(this.#descriptorBlocks * BLOCK), out = new DataView(descriptors.buffer)
    for (let group = 0; group < this.#groups; group++) {
      const bitmap = this.#bitmaps(group), free = this.#writeGroup(group, used, inodes, mark, last)
      putDescriptor(out, group * DESCRIPTOR, { blockBitmap: bitmap, inodeBitmap: bitmap + 1, inodeTable: bitmap + 2, freeBlocks: free, freeInodes: this.#inodesPerGroup - usedInodes(group, this.#inodesPerGroup, last), folders: folders[group]! })
      freeBlocks += free
    }
    const { uuid, label, time } = this.#options
    const sb: Superblock = { blocks: this.#blocks, freeBlocks, inodesPerGroup: this.#inodesPerGroup, groups: this.#groups, freeInodes: this.#inodesPerGroup * this.#groups - last, uuid, label, time }
    for (let group = 0; group < this.#groups; group++) {
      if (!this.#hasCopy(group)) continue
      // The first 1024 bytes are the boot loader's.
      this.#options.write(group * BLOCKS_PER_GROUP * BLOCK + (group === 0 ? 1024 : 0), superblock(sb, group))
      this.#options.write((group * BLOCKS_PER_GROUP + 1) * BLOCK, descriptors)
    }
    return { usedBytes: (this.#blocks - freeBlocks) * BLOCK, inodes: last }
  }

  /** Bitmaps and inodes of a group; returns its free blocks. */
  #writeGroup(group: number, used: Uint8Array, inodes: Uint8Array, mark: (start: number, count: number) => void, last: number): number {
    const first = group * BLOCKS_PER_GROUP, bitmap = this.#bitmaps(group)
    mark(first, this.#firstData(group) - first)
    mark(this.#endOf(group), first + BLOCKS_PER_GROUP - this.#endOf(group))
    const blocks = used.subarray(group * BLOCK, (group + 1) * BLOCK), inodeBitmap = new Uint8Array(BLOCK).fill(0xff)
    for (let i = usedInodes(group, this.#inodesPerGroup, last); i < this.#inodesPerGroup; i++) inodeBitmap[i >> 3]! &= ~(1 << (i & 7))
    this.#options.write(bitmap * BLOCK, blocks)
    this.#options.write((bitmap + 1) * BLOCK, inodeBitmap)
    const table = inodes.subarray(group * this.#tableBlocks * BLOCK, (group + 1) * this.#tableBlocks * BLOCK)
    if (usedInodes(group, this.#inodesPerGroup, last) > 0) this.#options.write((bitmap + 2) * BLOCK, table)
    return blocks.reduce((sum, byte) => sum + ZERO_BITS[byte]!, 0)
  }

  #inode(node: TreeNode, entries: (folder: FolderNode) => readonly DirectoryEntry[], links: number, mark: (start: number, count: number) => void): Inode {
    const { kind, attributes } = node, common = { kind, ...attributes, links }
    switch (node.kind) {
      case 'folder': return { ...common, ...this.#mapped(this.#store(directoryBlocks(entries(node))), mark) }
      case 'file': return { ...common, ...this.#mapped(node.content as Content, mark) }
      case 'link': {
        const target = encoder.encode(node.target)
        return target.length > LONGEST_INLINE_TARGET ? { ...common, ...this.#mapped(this.#store(target), mark) } : { ...common, size: target.length, blocks: 0, body: target, extents: false }
      }
      default: {
        const body = new Uint8Array(60)
        new DataView(body.buffer).setUint32(0, (node.minor & 0xff) | node.major << 8, true)
        return { ...common, size: 0, blocks: 0, body, extents: false }
      }
    }
  }

  #mapped({ size, extents }: Content, mark: (start: number, count: number) => void): Pick<Inode, 'size' | 'blocks' | 'body' | 'extents'> {
    let blocks = extents.reduce((sum, { count }) => sum + count, 0)
    for (const { start, count } of extents) mark(start, count)
    if (extents.length <= EXTENTS_IN_INODE) return { size, blocks, body: extentLeaf(extents, 60), extents: true }
    const leaves: { logical: number, block: number }[] = []
    for (let i = 0; i < extents.length; i += EXTENTS_IN_BLOCK) {
      const part = extents.slice(i, i + EXTENTS_IN_BLOCK), { start } = this.#allocate(1)
      this.#options.write(start * BLOCK, extentLeaf(part, BLOCK))
      mark(start, 1)
      blocks++
      leaves.push({ logical: part[0]!.logical, block: start })
    }
    if (leaves.length > EXTENTS_IN_INODE) throw new BadInput('file system', `a file of ${size} bytes is in too many pieces`)
    return { size, blocks, body: extentIndex(leaves), extents: true }
  }
}

const ZERO_BITS = Uint8Array.from({ length: 256 }, (_, byte) => 8 - byte.toString(2).replaceAll('0', '').length)

const usedInodes = (group: number, perGroup: number, last: number): number => Math.max(0, Math.min(perGroup, last - group * perGroup))

function entriesOf(folder: FolderNode, number: number, parent: number, numbers: ReadonlyMap<TreeNode, number>): DirectoryEntry[] {
  const entry = (name: string, node: TreeNode): DirectoryEntry => {
    const bytes = encoder.encode(name)
    if (bytes.length > LONGEST_NAME) throw new BadInput('file system', `the name ${name.slice(0, 40)}... is longer than ${LONGEST_NAME} bytes`)
    return { name: bytes, inode: numbers.get(node)!, kind: node.kind }
  }
  return [
    { name: encoder.encode('.'), inode: number, kind: 'folder' }, { name: encoder.encode('..'), inode: parent, kind: 'folder' },
    ...[...folder.children].map(([name, node]) => entry(name, node)),
  ]
}

/** The root has number 2, lost+found the first that is not reserved, as it was added first. */
function numberInodes(root: FolderNode): { readonly numbers: ReadonlyMap<TreeNode, number>, readonly parents: ReadonlyMap<FolderNode, FolderNode> } {
  const numbers = new Map<TreeNode, number>([[root, ROOT_INODE]]), parents = new Map<FolderNode, FolderNode>()
  const visit = (folder: FolderNode): void => {
    for (const child of folder.children.values()) if (!numbers.has(child)) numbers.set(child, FIRST_INODE + numbers.size - 1)
    for (const child of folder.children.values()) {
      if (child.kind !== 'folder') continue
      parents.set(child, folder)
      visit(child)
    }
  }
  visit(root)
  return { numbers, parents }
}

/** Names of files; a folder has those of its entry, its own `.` and each `..` below. */
function countLinks(root: FolderNode): Map<TreeNode, number> {
  const links = new Map<TreeNode, number>([[root, 2]])
  const visit = (folder: FolderNode): void => {
    for (const child of folder.children.values()) {
      if (child.kind === 'folder') {
        links.set(child, 2)
        links.set(folder, links.get(folder)! + 1)
        visit(child)
      } else links.set(child, (links.get(child) ?? 0) + 1)
    }
  }
  visit(root)
  return links
}
