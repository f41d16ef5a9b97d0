import type { L0Environment } from '../hypervisor/environment.ts'
import type { EL2Software } from '../hypervisor/host.ts'
import type { L0Options } from './options.ts'

/** The factory that `createMachine({ l0 })` takes. The machine calls `start` on every PE at reset. */
export function createL0(_options: L0Options): (environment: L0Environment) => EL2Software {
  throw new Error('not built yet')
}
