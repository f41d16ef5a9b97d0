/** A reader of ext4 images as far as the writer's go, by another way: from the superblock down, trusting nothing that the writer keeps in memory. */
export interface Found { readonly mode: number, readonly uid: number, readonly gid: number, readonly links: number, readonly bytes: Uint8Array, readonly time: number }

export class Ext4Reader {
  readonly #view: DataView
  readonly #image: Uint8Array

  constructor(image: Uint8Array) {
    this.#image = image
    this.#view = new DataView(image.buffer, image.byteOffset, image.byteLength)
    if (this.#view.getUint16(1024 + 56, true) !== 0xef53) throw new Error('no ext4')
  }

  /** Without following a last link. */
  find(path: string): Found | undefined {
    let inode = 2
    for (const part of path.split('/').filter(each => each !== '')) {
      const next = this.entries(inode).get(part)
      if (next === undefined) return undefined
      inode = next
    }
    return this.#inode(inode)
  }

  text(path: string): string | undefined {
    const found = this.find(path)
    return found === undefined ? undefined : new TextDecoder().decode(found.bytes)
  }

  entries(inode: number): Map<string, number> {
    const { bytes } = this.#inode(inode), view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), found = new Map<string, number>()
    for (let at = 0; at < bytes.length; at += view.getUint16(at + 4, true)) found.set(new TextDecoder().decode(bytes.subarray(at + 8, at + 8 + bytes[at + 6]!)), view.getUint32(at, true))
    return found
  }

  #inode(number: number): Found {
    const perGroup = this.#view.getUint32(1024 + 40, true), group = Math.floor((number - 1) / perGroup)
    const table = this.#view.getUint32(4096 + group * 32 + 8, true), at = table * 4096 + ((number - 1) % perGroup) * 256
    const u16 = (offset: number): number => this.#view.getUint16(at + offset, true), u32 = (offset: number): number => this.#view.getUint32(at + offset, true)
    const bytes = new Uint8Array(u32(4))
    if ((u32(32) & 0x80000) === 0) bytes.set(this.#image.subarray(at + 40, at + 40 + Math.min(60, bytes.length)))
    else this.#extents(at + 40, bytes)
    return { mode: u16(0), uid: u16(2), gid: u16(24), links: u16(26), time: u32(16), bytes }
  }

  #extents(at: number, into: Uint8Array): void {
    const view = this.#view
    if (view.getUint16(at, true) !== 0xf30a) throw new Error('no extents')
    for (let i = 1; i <= view.getUint16(at + 2, true); i++) {
      const entry = at + 12 * i
      if (view.getUint16(at + 6, true) > 0) this.#extents(view.getUint32(entry + 4, true) * 4096, into)
      else {
        const offset = view.getUint32(entry, true) * 4096, start = view.getUint32(entry + 8, true) * 4096
        into.set(this.#image.subarray(start, start + Math.min(view.getUint16(entry + 4, true) * 4096, into.length - offset)), offset)
      }
    }
  }
}
