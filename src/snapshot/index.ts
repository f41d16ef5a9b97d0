/** Snapshots of machines as files: see docs/snapshots.md. */
import { objectOf, refuse } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import type { Machine } from '../machine/machine.ts'
import { readSnapshot } from './file.ts'
import type { Packing, SnapshotFile } from './file.ts'
import { machineFrom, ramOf } from './recipe.ts'
import type { Attachments } from './recipe.ts'

export { recipeOf } from './recipe.ts'
export type { Attachments } from './recipe.ts'
export { readSnapshot, writeSnapshot } from './file.ts'
export type { Packing, SnapshotFile } from './file.ts'
export { ramOf }

export const readSnapshotFile = (bytes: Uint8Array, packing: Packing): Promise<SnapshotFile> => readSnapshot(bytes, packing, ramOf)

/** A machine that goes on from the snapshot. Throws BadInput. */
export function restoreMachine({ recipe, snapshot }: SnapshotFile, attachments: Attachments = {}): Machine {
  const machine = machineFrom(recipe, attachments)
  refuseUnknown(machine.save().state, snapshot.state, 'state')
  machine.restore(snapshot)
  return machine
}

/** What another version keeps and this one does not know; what is missing is noticed when it is read. */
function refuseUnknown(ours: Saved, theirs: Saved, path: string): void {
  if (typeof ours !== 'object' || ours === null || typeof theirs !== 'object' || theirs === null || theirs instanceof Uint8Array || ours instanceof Uint8Array) return
  if (Array.isArray(ours) || Array.isArray(theirs)) {
    if (Array.isArray(ours) && Array.isArray(theirs)) (theirs as readonly Saved[]).slice(0, ours.length).forEach((each, i) => { refuseUnknown((ours as readonly Saved[])[i], each, `${path}[${i}]`) })
    return
  }
  const known = objectOf(ours, path)
  for (const [name, each] of Object.entries(theirs)) {
    if (!Object.hasOwn(known, name)) refuse(`${path}.${name}`, 'is not known to this version of Nidus')
    refuseUnknown(known[name], each, `${path}.${name}`)
  }
}
