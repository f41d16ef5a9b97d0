/** Snapshot files of sessions: what was asked for is kept with them, so that disks are opened again and the console goes where it went. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { BadInput } from '../arch/bad-input.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { Machine } from '../machine/machine.ts'
import { readSnapshotFile, writeSnapshot, type SnapshotFile } from '../snapshot/index.ts'
import { askedFrom, type AskedImages } from './asked.ts'
import { inputFile } from './options.ts'
import { PACKING } from './packing.ts'
import { sha256 } from './recording.ts'

export interface RestoredSession extends AskedImages {
  readonly path: string
  readonly file: SnapshotFile
  readonly sha256: () => string
}

interface DiskState { readonly path: string, readonly size: number, readonly modified: string }

/** A disk that is written, or only read, must be what the guest has seen of it; an overlay's file as well. */
function disksOf({ images }: AskedImages): DiskState[] {
  return images.flatMap(({ flags }) => flags.drive).map(({ path }) => {
    const { size, mtimeNs } = statSync(path, { bigint: true })
    return { path: resolve(path), size: Number(size), modified: String(mtimeNs) }
  })
}

/** Written beside and then renamed: there is a whole snapshot under this name or what was there before. */
export async function writeSnapshotOf(machine: Machine, recipe: Saved, asked: AskedImages, path: string): Promise<number> {
  const session = JSON.stringify({ flags: asked.flags, images: asked.images, disks: disksOf(asked) }), partial = `${path}.${process.pid}.partial`
  let fd: number
  try { fd = openSync(partial, 'wx') } catch (error) {
    throw new BadInput('--output', `${path} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`)
  }
  // Ctrl-C in the middle leaves nothing either.
  const remove = (): void => { rmSync(partial, { force: true }) }
  process.once('exit', remove)
  let size = 0
  try {
    for await (const part of writeSnapshot({ recipe: { ...recipe as Record<string, Saved>, session }, snapshot: machine.save() }, PACKING)) {
      for (let at = 0; at < part.length;) at += writeSync(fd, part, at)
      size += part.length
    }
    fsyncSync(fd)
    closeSync(fd)
    renameSync(partial, path)
  } catch (error) {
    remove()
    throw (error as NodeJS.ErrnoException).code === 'ENOSPC' ? new BadInput('--output', `${path} cannot be written: the disk is full`) : error
  } finally { process.off('exit', remove) }
  return size
}

/** Throws BadInput for anything that is not a whole snapshot of this version, or whose disks have changed. */
export async function openSnapshot(path: string, option = '--snapshot'): Promise<RestoredSession> {
  const bytes = inputFile(option, path)
  const file = await readSnapshotFile(bytes, PACKING)
  const { session } = file.recipe as { readonly session?: Saved }
  let text: unknown
  try { text = JSON.parse(typeof session === 'string' ? session : '') } catch { throw new BadInput('snapshot', 'does not say what was run') }
  const asked = askedFrom(text, 'snapshot'), { disks } = text as { readonly disks?: unknown }
  if (!Array.isArray(disks)) throw new BadInput('snapshot', 'does not name its disks')
  for (const { path: disk, size, modified } of disks as readonly DiskState[]) {
    const now = statSync(disk, { bigint: true, throwIfNoEntry: false })
    if (now === undefined) throw new BadInput('snapshot', `its disk ${disk} is missing`)
    if (Number(now.size) !== size || String(now.mtimeNs) !== modified) throw new BadInput('snapshot', `its disk ${disk} has changed since`)
  }
  return { path, file, flags: asked.flags, images: asked.images, sha256: () => sha256(bytes) }
}
