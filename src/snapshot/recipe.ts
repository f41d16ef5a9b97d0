/**
 * How a machine is made again, for the file of its snapshot: the options of the machine and of L0 without what is attached to them (consoles,
 * devices of the host), which whoever restores attaches anew. Of images that are in RAM already only what their placement depends on is kept.
 */
import { isArm64Image } from '../arch/image/arm64-image.ts'
import { BadInput } from '../arch/bad-input.ts'
import { UNIT_COSTS } from '../arch/cost.ts'
import type { CostModel } from '../arch/cost.ts'
import { FEATURES, PROFILE_NAMES } from '../arch/features.ts'
import type { Feature, ProfileName } from '../arch/features.ts'
import { BYTES, choice, COUNT, FLAG, integer, list, objectOf, optional, refuse, TEXT, value } from '../arch/saved-state.ts'
import type { Kind, Saved } from '../arch/saved-state.ts'
import { createMachine } from '../machine/machine.ts'
import type { Machine } from '../machine/machine.ts'
import type { MachineOptions } from '../machine/options.ts'
import { ROWS } from '../sysreg/index.ts'
import { createL0 } from '../vmm/index.ts'
import type { L0Options, VmDescription } from '../vmm/index.ts'

/** Bytes that matter, then zeros. */
interface StandIn { readonly bytes: Uint8Array, readonly size: number }

interface VmRecipe {
  readonly image: StandIn
  readonly initrd: number | undefined
  readonly modules: { readonly size: number, readonly bootargs: string | undefined }[]
  readonly append: string | undefined
  readonly dtb: Uint8Array | undefined
  readonly smp: number | undefined
  readonly memBytes: number
  readonly el2: NonNullable<VmDescription['el2']>
  readonly recursion: boolean
  readonly profile: ProfileName | undefined
  readonly hide: Feature[]
  readonly gic: 2 | 3 | undefined
  readonly paravirt: 'nv' | 'neve' | undefined
}

interface Recipe {
  /** Names and slots of all registers: register files of another build mean something else. */
  readonly registers: number
  readonly board: 'virt' | 'moonshot'
  readonly gic: 2 | 3 | undefined
  readonly smp: number | undefined
  readonly memBytes: number
  readonly profile: ProfileName
  readonly hide: Feature[]
  readonly el2: boolean
  readonly reservedBytes: number | undefined
  readonly costs: CostModel
  readonly quantum: number
  readonly hash: boolean
  readonly l0: { readonly policy: 'split' | 'lazy', readonly vms: VmRecipe[] } | undefined
}

const MEGABYTE = 1 << 20
/** More than a 32-bit memory holds is refused when the machine is made. */
const BYTES_OF_RAM = integer(1, 2 ** 32), IMAGE_BYTES = integer(0, 2 ** 31)
const HIDDEN = list(choice<Feature>(...FEATURES), FEATURES.length), PROFILE = choice<ProfileName>(...PROFILE_NAMES), GIC = choice<2 | 3>(2, 3), CPUS = integer(1, 8)
const PARAVIRT = choice<'nv' | 'neve'>('nv', 'neve'), EL2 = choice<NonNullable<VmDescription['el2']>>('none', 'nvhe', 'vhe', 'nvhe-or-vhe')
const STAND_IN = value<StandIn>({ bytes: BYTES, size: IMAGE_BYTES })

/** Lists of a recipe are new ones. */
const fresh = <T>(kind: Kind<T[]>): Kind<T[]> => ({ save: kind.save, restore: (saved, path) => kind.restore(saved, path, []) })

const VM = value<VmRecipe>({
  image: STAND_IN, initrd: optional(IMAGE_BYTES), modules: fresh(list(value<VmRecipe['modules'][number]>({ size: IMAGE_BYTES, bootargs: optional(TEXT) }), 8)), append: optional(TEXT), dtb: optional(BYTES),
  smp: optional(CPUS), memBytes: BYTES_OF_RAM, el2: EL2, recursion: FLAG, profile: optional(PROFILE), hide: fresh(HIDDEN), gic: optional(GIC), paravirt: optional(PARAVIRT),
})
const L0 = value<NonNullable<Recipe['l0']>>({ policy: choice<'split' | 'lazy'>('split', 'lazy'), vms: fresh(list(VM, 64)) })

/** The shape of the neutral model, with other numbers. */
const COSTS: Kind<CostModel> = {
  save: costs => costs as unknown as Saved,
  restore: (saved, path) => {
    const look = (part: Saved, at: string): void => {
      if (typeof part === 'string') return
      if (typeof part === 'object') for (const [name, each] of Object.entries(objectOf(part, at))) look(each, `${at}.${name}`)
      else COUNT.restore(part, at, 0)
    }
    const costs = objectOf(saved, path)
    for (const [name, each] of Object.entries(UNIT_COSTS)) if (typeof costs[name] !== typeof each) refuse(`${path}.${name}`, 'is missing')
    look(saved, path)
    return saved as unknown as CostModel
  },
}

const RECIPE = value<Recipe>({
  registers: integer(-0x8000_0000, 0x7fff_ffff), board: choice('virt', 'moonshot'), gic: optional(GIC), smp: optional(CPUS), memBytes: BYTES_OF_RAM, profile: PROFILE, hide: fresh(HIDDEN), el2: FLAG,
  reservedBytes: optional(BYTES_OF_RAM), costs: COSTS, quantum: integer(1, 1e9), hash: FLAG, l0: optional(L0),
})

/** An order-dependent number of the register table. */
const registersOfThisBuild = (): number => ROWS.reduce((hash, { name, slot }) => [...`${name} ${slot}`].reduce((sum, letter) => Math.imul(sum ^ letter.charCodeAt(0), 0x0100_0193), hash), 0x811c_9dc5 | 0)

function vmRecipe(vm: VmDescription): VmRecipe {
  // Rewriting reads the whole image; of an arm64 Image the header says all, and ELF files have their symbols.
  const whole = vm.paravirt !== undefined || !isArm64Image(vm.image)
  return {
    image: { bytes: whole ? vm.image : vm.image.slice(0, 64), size: vm.image.length }, initrd: vm.initrd?.length, modules: (vm.modules ?? []).map(({ bytes, bootargs }) => ({ size: bytes.length, bootargs })),
    append: vm.append, dtb: vm.dtb, smp: vm.smp, memBytes: vm.memBytes, el2: vm.el2 ?? 'none', recursion: vm.recursion ?? false, profile: vm.profile, hide: [...vm.hide ?? []], gic: vm.gic, paravirt: vm.paravirt,
  }
}

/** `l0`: what the machine's `l0` was made from. */
export function recipeOf(machine: MachineOptions, l0?: L0Options): Saved {
  return RECIPE.save({
    registers: registersOfThisBuild(), board: machine.board ?? 'virt', gic: machine.gic, smp: machine.smp, memBytes: machine.memBytes ?? 256 * MEGABYTE, profile: machine.profile ?? 'v8.4',
    hide: [...machine.hide ?? []], el2: machine.el2 ?? false, reservedBytes: machine.reservedBytes, costs: machine.costs ?? UNIT_COSTS, quantum: machine.quantum ?? 1000, hash: machine.hash ?? true,
    l0: l0 && { policy: l0.policy ?? 'lazy', vms: l0.vms.map(vmRecipe) },
  })
}

const recipeFrom = (saved: Saved): Recipe => {
  const recipe = RECIPE.restore(saved, 'recipe', undefined as never)
  if (recipe.registers !== registersOfThisBuild()) refuse('recipe', 'was written by a Nidus with other system registers')
  return recipe
}

/** Bytes of RAM of the machine. Throws BadInput. */
export const ramOf = (saved: Saved): number => recipeFrom(saved).memBytes

/** What a machine that is made again is attached to. */
export interface Attachments {
  readonly machine?: Pick<MachineOptions, 'console' | 'plugs' | 'complaint' | 'onEvent' | 'onOutside' | 'symbolAt' | 'translate' | 'translateAfter' | 'hash'>
  /** By number of the VM. */
  readonly vms?: readonly Pick<VmDescription, 'console' | 'plugs' | 'complaint' | 'onRewritten'>[]
  readonly onEnd?: L0Options['onEnd']
}

const defined = <T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(object).filter(([, each]) => each !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> }

/** Whoever attaches may have more at hand; what the machine is made of is the recipe's. */
const pick = <T extends object, K extends keyof T>(object: T, names: readonly K[]): Pick<T, K> => Object.fromEntries(names.flatMap(name => object[name] === undefined ? [] : [[name, object[name]]])) as unknown as Pick<T, K>

function standIn({ bytes, size }: StandIn): Uint8Array {
  const whole = new Uint8Array(Math.max(size, bytes.length))
  whole.set(bytes)
  return whole
}

/** The machine as it was made at first: restore the snapshot into it. Throws BadInput. */
export function machineFrom(saved: Saved, { machine = {}, vms = [], onEnd }: Attachments = {}): Machine {
  const { registers: _, l0, ...options } = recipeFrom(saved)
  return make(() => createMachine({
    ...defined(options), ...pick(machine, ['console', 'plugs', 'complaint', 'onEvent', 'onOutside', 'symbolAt', 'translate', 'translateAfter', 'hash']),
    ...(l0 === undefined ? {} : {
      l0: createL0({
        policy: l0.policy, unloaded: true, ...(onEnd === undefined ? {} : { onEnd }),
        vms: l0.vms.map(({ image, initrd, modules, ...vm }, i): VmDescription => ({
          ...defined(vm), image: standIn(image), ...(initrd === undefined ? {} : { initrd: new Uint8Array(initrd) }),
          ...(modules.length === 0 ? {} : { modules: modules.map(({ size, bootargs }) => ({ bytes: new Uint8Array(size), ...(bootargs === undefined ? {} : { bootargs }) })) }), ...pick(vms[i] ?? {}, ['console', 'plugs', 'complaint', 'onRewritten']),
        })),
      }),
    }),
  }))
}

/** Nothing that a file asks for is a bug of ours: memory that is too large, or too small for L0. */
function make(machine: () => Machine): Machine {
  try { return machine() } catch (error) {
    if (error instanceof BadInput) throw error
    throw new BadInput('snapshot', `its machine cannot be made: ${error instanceof Error ? error.message : String(error)}`)
  }
}
