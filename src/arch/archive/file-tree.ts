/**
 * A tree of files with owners, modes and times, as an archive's entries describe it: a path goes through symbolic links to folders, as it would on a
 * running system, and what is added later replaces what was there.
 */
import { BadInput } from '../bad-input.ts'

export interface Attributes {
  /** Permission bits, without the type. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Seconds since 1970. */
  readonly time: number
}

interface Common { attributes: Attributes }
export interface FolderNode extends Common { readonly kind: 'folder', readonly children: Map<string, TreeNode> }
/** `content` is what the tree's user makes of a file's bytes. */
export interface FileNode<Content = unknown> extends Common { readonly kind: 'file', readonly content: Content }
export interface LinkNode extends Common { readonly kind: 'link', readonly target: string }
export interface DeviceNode extends Common { readonly kind: 'character device' | 'block device' | 'fifo', readonly major: number, readonly minor: number }
export type TreeNode = FolderNode | FileNode | LinkNode | DeviceNode

/** What Linux follows in one path. */
const MOST_LINKS = 40
export const ROOT_OWNED: Attributes = { mode: 0o755, uid: 0, gid: 0, time: 0 }

export class FileTree {
  readonly root: FolderNode = { kind: 'folder', attributes: ROOT_OWNED, children: new Map() }

  /** A folder that is there keeps what is in it; a link to a folder stays a link. */
  folder(path: string, attributes: Attributes): void {
    const { parent, name } = this.#place(path)
    if (name === '') {
      this.root.attributes = attributes
      return
    }
    const there = parent.children.get(name)
    if (there?.kind === 'folder') there.attributes = attributes
    else if (there?.kind !== 'link' || this.find(path)?.kind !== 'folder') parent.children.set(name, { kind: 'folder', attributes, children: new Map() })
  }

  add(path: string, node: TreeNode): void {
    const { parent, name } = this.#place(path)
    if (name === '') throw new BadInput(path, 'this is the root of the tree')
    parent.children.set(name, node)
  }

  /** One more name of a file. */
  hardLink(path: string, target: string): void {
    const place = this.#place(target), node = place.parent.children.get(place.name)
    if (node === undefined || node.kind === 'folder') throw new BadInput(path, `there is no file ${target} for a link to it`)
    this.add(path, node)
  }

  /** What is at this path, through links. */
  find(path: string): TreeNode | undefined {
    const { parent, name } = this.#place(path, false) ?? {}
    if (parent === undefined) return undefined
    const node = name === '' ? parent : parent.children.get(name!)
    return node?.kind === 'link' ? this.find(resolveTarget(path, node.target)) : node
  }

  #place(path: string): { readonly parent: FolderNode, readonly name: string }
  #place(path: string, create: false): { readonly parent: FolderNode, readonly name: string } | undefined
  #place(path: string, create = true): { readonly parent: FolderNode, readonly name: string } | undefined {
    const parts = partsOf(path), stack: FolderNode[] = [this.root]
    let links = 0
    for (let i = 0; i < parts.length - 1; i++) {
      const part = parts[i]!
      if (part === '..') {
        if (stack.length > 1) stack.pop()
        continue
      }
      const folder = stack.at(-1)!
      let node = folder.children.get(part)
      if (node === undefined) {
        if (!create) return undefined
        node = { kind: 'folder', attributes: ROOT_OWNED, children: new Map() }
        folder.children.set(part, node)
      }
      if (node.kind === 'link') {
        if (++links > MOST_LINKS) throw new BadInput(path, 'too many symbolic links in it')
        if (node.target.startsWith('/')) stack.length = 1
        parts.splice(0, i + 1, ...partsOf(node.target))
        i = -1
      } else if (node.kind === 'folder') stack.push(node)
      else if (create) throw new BadInput(path, `${part} in it is no folder`)
      else return undefined
    }
    return { parent: stack.at(-1)!, name: parts.at(-1) ?? '' }
  }
}

function partsOf(path: string): string[] {
  const parts = path.split('/').filter(part => part !== '' && part !== '.')
  if (parts.at(-1) === '..') throw new BadInput(path, 'a path that ends in .. names no file')
  return parts
}

const resolveTarget = (path: string, target: string): string => target.startsWith('/') ? target : `${path.slice(0, path.lastIndexOf('/') + 1)}${target}`
