/** Everything of a machine that decides what it does next, as plain data (design D9), and reading it back. Files of it: `src/snapshot/`. */
import { COUNT, integer, list, listOf, memory, objectOf, optional, refuse, value, WORD32 } from '../arch/saved-state.ts'
import type { Saved } from '../arch/saved-state.ts'
import { MODE, elOf } from '../arch/pstate.ts'
import type { PE } from '../cpu/pe.ts'
import { HOT } from '../engine/layout.ts'
import type { EngineApi } from '../engine/engine.ts'
import type { Pages } from './page-store.ts'
import type { Wiring } from './wiring.ts'

export interface Snapshot {
  /** What the machine is made of: restoring needs the same. */
  readonly machine: string
  /** All but RAM. */
  readonly state: Saved
  readonly pages: Pages
}

/** M[4:0]: AArch64, EL0 to EL2. */
const MODES: readonly number[] = [MODE.EL0t, MODE.EL1t, MODE.EL1h, MODE.EL2t, MODE.EL2h]
const GIC_FRAMES: ReadonlySet<string> = new Set(['GICD', 'GICR', 'GICC', 'GICH', 'GICV'])
/** Bytes of the console that a run has not shown; a line of them at most. */
export const HELD = list(integer(0, 0xff), 1 << 20)
export const HASH = optional(value<{ a: number, b: number }>({ a: WORD32, b: WORD32 }))

export function savePe(pe: PE, engine: EngineApi): Saved {
  const { block, instructions } = engine.savePe(pe.index)
  return { block, instructions, pe: pe.saveState() }
}

export function restorePe(target: PE, engine: EngineApi, saved: Saved, path: string, el2: boolean): void {
  const { block, instructions, pe } = objectOf(saved, path), { index } = target
  const whole = memory<Uint8Array>().restore(block, `${path}.block`, engine.savePe(index).block)
  const pstate = new DataView(whole.buffer, whole.byteOffset).getInt32(HOT.PSTATE, true)
  if (!MODES.includes(pstate & 0x1f) || (elOf(pstate) === 2 && !el2)) refuse(`${path}.block`, 'is in a mode that the PE does not have')
  engine.restorePe(index, { block: whole, instructions: COUNT.restore(instructions, `${path}.instructions`, 0) })
  target.restoreState(pe, `${path}.pe`)
}

/** Devices by name. The interrupt controller's frames show the state that is saved once. */
export function saveDevices({ devices, gic }: Wiring): { readonly devices: Saved, readonly distributor: Saved, readonly interfaces: Saved } {
  const states: Record<string, Saved> = {}
  for (const [name, device] of devices) if (!GIC_FRAMES.has(device.name)) states[name] = device.save() as Saved
  return { devices: states, distributor: gic.distributor.save() as Saved, interfaces: gic.cpuInterfaces.map(face => face.save() as Saved) }
}

/** Devices first: they raise and lower their lines, and the interrupt controller knows what these were. */
export function restoreDevices({ devices, gic }: Wiring, saved: Saved): void {
  const { devices: states, distributor, interfaces } = objectOf(saved, 'devices'), named = objectOf(states, 'devices')
  for (const [name, device] of devices) {
    if (GIC_FRAMES.has(device.name)) continue
    if (!(name in named)) refuse(`device ${name}`, 'is missing')
    device.restore(named[name])
  }
  gic.distributor.restore(distributor)
  const faces = listOf(interfaces, 'GIC CPU interfaces', gic.cpuInterfaces.length)
  gic.cpuInterfaces.forEach((face, i) => face.restore(faces[i]))
}
