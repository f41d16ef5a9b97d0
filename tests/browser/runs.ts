/** The runs that a browser and Node must agree on: a trace hash each. Nothing here knows in which of the two it is. */
import { BOOT_MARK } from '../../src/cli/debian/init.ts'
import { createMachine } from '../../src/machine/machine.ts'
import { measure, type Guests } from '../../src/lab/experiment.ts'
import { configurationName, type Configuration } from '../../src/lab/paper.ts'

/** Bytes of a file by the name under which the suite serves it. */
export type Load = (name: string) => Promise<Uint8Array>

export interface Result {
  readonly traceHash: string
  /** What was seen, for people: the end of the console, or traps of a hypercall. */
  readonly seen: string
}

interface Run {
  readonly name: string
  /** Needs kernel and initramfs of `nidus fetch debian:6.12`. */
  readonly debian?: boolean
  readonly perform: (load: Load) => Promise<Result>
}

/** Files of `guests/built`. */
export const GUEST_FILES: Readonly<Record<keyof Guests, string>> = { nvhe: 'mini-kvm-nvhe.elf', vhe: 'mini-kvm-vhe.elf', bench: 'bench.elf', benchImage: 'bench' }
export const KERNEL = 'kernel', INITRAMFS = 'initramfs'
const MOST_INSTRUCTIONS = 3_000_000_000
const DEBIAN_MEMORY = 512 * 2 ** 20
const LAST_CHARACTERS = 200

const CONFIGURATIONS: readonly Configuration[] = [
  { arch: 'v8.3', level: 'nested', guest: 'nvhe', paravirt: null, gic: 2 },
  { arch: 'neve', level: 'nested', guest: 'vhe', paravirt: null, gic: 3 },
  { arch: 'v8.4', level: 'nested', guest: 'vhe', paravirt: null, gic: 3 },
  { arch: 'v8.0', level: 'nested', guest: 'nvhe', paravirt: 'nv', gic: 2 },
]

const nested = (configuration: Configuration): Run => ({
  name: configurationName(configuration),
  async perform(load) {
    const entries = await Promise.all(Object.entries(GUEST_FILES).map(async ([name, file]) => [name, await load(file)] as const))
    const { traceHash, summary } = measure(configuration, Object.fromEntries(entries) as unknown as Guests, { hash: true })
    return { traceHash: traceHash!, seen: `${summary('hypercall')!.typical!.traps.length} traps per hypercall` }
  },
})

const boot: Run = {
  name: 'Debian 6.12 to its shell, v8.4, 2 CPUs',
  debian: true,
  async perform(load) {
    let printed = ''
    const machine = createMachine({ profile: 'v8.4', smp: 2, memBytes: DEBIAN_MEMORY, console: byte => { printed += String.fromCharCode(byte) } })
    machine.loadImage({ image: await load(KERNEL), initrd: await load(INITRAMFS), bootargs: 'console=ttyAMA0 quiet cryptomgr.notests do=boot' })
    const outcome = machine.run({ until: BOOT_MARK, maxInstructions: MOST_INSTRUCTIONS })
    if (outcome.kind !== 'until') throw new Error(`the kernel did not boot: ${outcome.kind} after ${machine.instructions} instructions; ${printed.slice(-LAST_CHARACTERS)}`)
    return { traceHash: machine.traceHash()!, seen: `${Math.round(machine.instructions / 1e6)} M instructions` }
  },
}

export const RUNS: readonly Run[] = [...CONFIGURATIONS.map(nested), boot]
