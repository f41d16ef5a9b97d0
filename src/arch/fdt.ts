/** Flattened device tree, format version 17 (Devicetree Specification 0.4, chapter 5): reader and writer. */
import { BadInput } from './bad-input.ts'

/** A node. Property values are raw bytes; `cells`, `cells64` and `strings` make them. */
export interface FdtNode {
  readonly name: string
  readonly properties: ReadonlyMap<string, Uint8Array>
  readonly children: readonly FdtNode[]
}
export interface FdtReservation { readonly address: bigint, readonly size: bigint }
export interface FdtTree {
  readonly root: FdtNode
  readonly reservations: readonly FdtReservation[]
  readonly bootCpu: number
}

const MAGIC = 0xd00d_feed
const HEADER_SIZE = 40
const TOKEN = { beginNode: 1, endNode: 2, prop: 3, nop: 4, end: 9 } as const
const MAX_DEPTH = 64
/** The specification allows 31 characters; real trees have somewhat longer ones. Bounds the work on hostile blobs. */
const MAX_NAME = 255

// --- making values ---

export function cells(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => view.setUint32(4 * i, value))
  return bytes
}

/** Two cells each. */
export function cells64(...values: readonly (number | bigint)[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8)
  const view = new DataView(bytes.buffer)
  values.forEach((value, i) => view.setBigUint64(8 * i, BigInt(value)))
  return bytes
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export const strings = (...values: readonly string[]): Uint8Array => encoder.encode(values.map(value => `${value}\0`).join(''))

export const EMPTY = new Uint8Array(0)

export function node(name: string, properties: Readonly<Record<string, Uint8Array | undefined>>, children: readonly FdtNode[] = []): FdtNode {
  const map = new Map<string, Uint8Array>()
  for (const [key, value] of Object.entries(properties)) if (value !== undefined) map.set(key, value)
  return { name, properties: map, children }
}

// --- looking at a tree ---

/** The node at an absolute path such as `/chosen`; a component without unit address matches `name@...`. */
export function nodeAt(tree: FdtTree, path: string): FdtNode | undefined {
  let at: FdtNode | undefined = tree.root
  for (const part of path.split('/').filter(part => part !== '')) {
    at = at?.children.find(child => child.name === part) ?? at?.children.find(child => child.name.split('@')[0] === part)
  }
  return at
}

export function cellsOf(value: Uint8Array): number[] {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength)
  return Array.from({ length: value.byteLength >>> 2 }, (_, i) => view.getUint32(4 * i))
}

export const stringsOf = (value: Uint8Array): string[] => decoder.decode(value).replace(/\0$/, '').split('\0')

// --- reading ---

/** Reads a blob. Throws BadInput. */
export function readFdt(blob: Uint8Array): FdtTree {
  return new Reader(blob).tree()
}

export const isFdt = (bytes: Uint8Array): boolean => bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) === MAGIC

class Reader {
  private readonly blob: Uint8Array
  private readonly view: DataView
  private readonly structEnd: number
  private readonly stringsStart: number
  private readonly stringsEnd: number
  private readonly reservationsStart: number
  private readonly bootCpu: number
  private readonly names = new Map<number, string>()
  private at: number

  constructor(blob: Uint8Array) {
    this.blob = blob
    this.view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength)
    if (blob.length < HEADER_SIZE) fail(0, `${blob.length} bytes are less than a header`)
    if (this.view.getUint32(0) !== MAGIC) fail(0, 'no magic number 0xd00dfeed')
    const totalSize = this.view.getUint32(4)
    if (totalSize < HEADER_SIZE || totalSize > blob.length) fail(4, `totalsize ${totalSize} with a blob of ${blob.length} bytes`)
    const version = this.view.getUint32(20), lastCompatible = this.view.getUint32(24)
    if (version < 17 || lastCompatible > 17) fail(20, `version ${version} (compatible down to ${lastCompatible}), not 17`)
    this.reservationsStart = this.view.getUint32(16)
    this.bootCpu = this.view.getUint32(28)
    const structStart = this.view.getUint32(8), structSize = this.view.getUint32(36)
    this.stringsStart = this.view.getUint32(12)
    this.stringsEnd = this.stringsStart + this.view.getUint32(32)
    this.structEnd = structStart + structSize
    if (structStart % 4 !== 0 || structStart < HEADER_SIZE || this.structEnd > totalSize) fail(8, `structure block [0x${structStart.toString(16)}, +${structSize}) is not inside the blob`)
    if (this.stringsEnd > totalSize) fail(12, 'strings block is not inside the blob')
    if (this.reservationsStart % 8 !== 0 || this.reservationsStart < HEADER_SIZE || this.reservationsStart > totalSize - 16) fail(16, 'memory reservation block is not inside the blob')
    this.at = structStart
  }

  tree(): FdtTree {
    const reservations = this.reservations()
    if (this.token() !== TOKEN.beginNode) fail(this.at - 4, 'structure block does not begin with a node')
    const root = this.node(0)
    if (this.token() !== TOKEN.end) fail(this.at - 4, 'no FDT_END after the root node')
    return { root, reservations, bootCpu: this.bootCpu }
  }

  private reservations(): FdtReservation[] {
    const list: FdtReservation[] = []
    for (let at = this.reservationsStart; ; at += 16) {
      if (at + 16 > this.blob.length) fail(at, 'memory reservation block has no end')
      const address = this.view.getBigUint64(at), size = this.view.getBigUint64(at + 8)
      if (address === 0n && size === 0n) return list
      list.push({ address, size })
    }
  }

  /** The next token that is not FDT_NOP. */
  private token(): number {
    for (;;) {
      const token = this.word()
      if (token !== TOKEN.nop) return token
    }
  }

  private word(): number {
    if (this.at + 4 > this.structEnd) fail(this.at, 'structure block ends within a node')
    const value = this.view.getUint32(this.at)
    this.at += 4
    return value
  }

  private node(depth: number): FdtNode {
    if (depth > MAX_DEPTH) fail(this.at, `nodes nest more than ${MAX_DEPTH} deep`)
    const nameAt = this.at
    const name = this.text(nameAt, this.structEnd, 'node name')
    this.at = align4(nameAt + encodedLength(this.blob, nameAt, this.structEnd) + 1)
    const properties = new Map<string, Uint8Array>()
    const children: FdtNode[] = []
    for (;;) {
      const at = this.at
      const token = this.token()
      if (token === TOKEN.endNode) return { name, properties, children }
      if (token === TOKEN.beginNode) {
        children.push(this.node(depth + 1))
      } else if (token === TOKEN.prop) {
        const length = this.word(), nameOffset = this.word()
        if (length > this.structEnd - this.at) fail(at, `property of ${length} bytes runs out of the structure block`)
        const key = this.propertyName(nameOffset, at)
        if (properties.has(key)) fail(at, `property ${key} stands twice in node ${name || '/'}`)
        properties.set(key, this.blob.slice(this.at, this.at + length))
        this.at = align4(this.at + length)
      } else {
        fail(at, `unknown token ${token}`)
      }
    }
  }

  private propertyName(offset: number, at: number): string {
    const known = this.names.get(offset)
    if (known !== undefined) return known
    const start = this.stringsStart + offset
    if (start >= this.stringsEnd) fail(at, `property name at offset ${offset} of a strings block of ${this.stringsEnd - this.stringsStart} bytes`)
    const name = this.text(start, this.stringsEnd, 'property name')
    if (name === '') fail(at, 'empty property name')
    this.names.set(offset, name)
    return name
  }

  private text(start: number, end: number, what: string): string {
    const length = encodedLength(this.blob, start, end)
    if (length < 0) fail(start, `${what} has no end or more than ${MAX_NAME} bytes`)
    return decoder.decode(this.blob.subarray(start, start + length))
  }
}

/** Bytes before the NUL; -1 if there is none within MAX_NAME bytes. */
function encodedLength(blob: Uint8Array, start: number, end: number): number {
  const limit = Math.min(end, start + MAX_NAME + 1)
  for (let at = start; at < limit; at++) if (blob[at] === 0) return at - start
  return -1
}

const align4 = (value: number): number => (value + 3) & ~3

function fail(offset: number, problem: string): never {
  throw new BadInput('device tree', problem, offset)
}

// --- writing ---

export function writeFdt(tree: FdtTree): Uint8Array {
  const names = new Map<string, number>()
  let stringsSize = 0
  let structSize = 4
  const measure = (each: FdtNode): void => {
    structSize += 8 + align4(encoder.encode(each.name).length + 1)
    for (const [key, value] of each.properties) {
      structSize += 12 + align4(value.length)
      if (!names.has(key)) {
        names.set(key, stringsSize)
        stringsSize += encoder.encode(key).length + 1
      }
    }
    each.children.forEach(measure)
  }
  measure(tree.root)

  const reservationsAt = HEADER_SIZE
  const structAt = reservationsAt + 16 * (tree.reservations.length + 1)
  const stringsAt = structAt + structSize
  // A multiple of 8, so that a blob can follow another.
  const blob = new Uint8Array((stringsAt + stringsSize + 7) & ~7)
  const view = new DataView(blob.buffer)
  const header = [MAGIC, blob.length, structAt, stringsAt, reservationsAt, 17, 16, tree.bootCpu, stringsSize, structSize]
  header.forEach((value, i) => view.setUint32(4 * i, value))
  tree.reservations.forEach(({ address, size }, i) => {
    view.setBigUint64(reservationsAt + 16 * i, address)
    view.setBigUint64(reservationsAt + 16 * i + 8, size)
  })
  let at = structAt
  const word = (value: number): void => {
    view.setUint32(at, value)
    at += 4
  }
  const bytes = (value: Uint8Array, terminator: number): void => {
    blob.set(value, at)
    at = align4(at + value.length + terminator)
  }
  const write = (each: FdtNode): void => {
    word(TOKEN.beginNode)
    bytes(encoder.encode(each.name), 1)
    for (const [key, value] of each.properties) {
      word(TOKEN.prop)
      word(value.length)
      word(names.get(key)!)
      bytes(value, 0)
    }
    each.children.forEach(write)
    word(TOKEN.endNode)
  }
  write(tree.root)
  word(TOKEN.end)
  for (const [key, offset] of names) blob.set(encoder.encode(key), stringsAt + offset)
  return blob
}
