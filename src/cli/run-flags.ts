/** What `nidus run`, `stat` and `trace` take: the options of the machine, and those of each VM. */
import { BadInput } from '../arch/bad-input.ts'
import { PROFILE_NAMES, type Feature, type ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { gicVersion, hiddenFeature, integerBetween, LARGEST_MEMORY, memorySize, oneOf, profileName, seconds } from './options.ts'
import { diskOption, netOption, seedOption, shareOption, type PlugFlags } from './plugs.ts'

/** What each image has of its own; behind `--and` these alone. */
export interface VmFlags extends PlugFlags {
  readonly el2: boolean
  readonly hide: readonly Feature[]
  readonly smp?: number
  readonly mem: number
  readonly initrd?: string
  readonly module: readonly string[]
  readonly dtb?: string
  readonly append?: string
  readonly paravirt?: 'nv' | 'neve'
  readonly until?: string
  readonly console?: string
}

export interface RunFlags extends VmFlags {
  readonly on: 'machine' | 'vm'
  readonly arch: ProfileName
  readonly board: 'virt' | 'moonshot'
  readonly gic?: GicVersion
  readonly translate: boolean
  readonly dumpdtb?: string
  readonly l0: 'split' | 'lazy'
  readonly timeout?: number
}

const parsedList = { variadic: true, default: [] } as const

export const VM_FLAGS = {
  el2: { kind: 'boolean', brief: 'Give the image EL2, real or virtual', default: false, withNegated: false },
  hide: { kind: 'parsed', parse: hiddenFeature, brief: 'Take a feature away, e.g. VHE (repeatable)', ...parsedList },
  smp: { kind: 'parsed', parse: integerBetween('--smp', 1, 8), brief: 'CPUs, 1 to 8 (default: 1)', optional: true },
  mem: { kind: 'parsed', parse: memorySize, brief: 'Memory, e.g. 512M', default: '512M' },
  initrd: { kind: 'parsed', parse: String, brief: 'Initial RAM disk; for mini-kvm its nested VM', optional: true, placeholder: 'FILE' },
  module: { kind: 'parsed', parse: String, brief: 'multiboot,module: first the kernel, then the ramdisk (repeatable)', ...parsedList, placeholder: 'FILE[,APPEND]' },
  dtb: { kind: 'parsed', parse: String, brief: 'Device tree instead of the generated one', optional: true, placeholder: 'FILE' },
  append: { kind: 'parsed', parse: String, brief: 'Kernel command line', optional: true, placeholder: 'TEXT' },
  paravirt: { kind: 'parsed', parse: oneOf('--paravirt', ['nv', 'neve']), brief: 'On v8.0: rewrite the guest hypervisor', optional: true },
  drive: { kind: 'parsed', parse: diskOption, brief: 'Disk image (raw); ,ro: only read; ,overlay: what the guest writes is lost (repeatable)', ...parsedList, placeholder: 'FILE[,ro|,overlay][,pci]' },
  share: { kind: 'parsed', parse: shareOption, brief: 'Folder for the guest: mount -t 9p -o trans=virtio share /mnt (repeatable)', ...parsedList, placeholder: 'FOLDER[:TAG][,ro][,pci]' },
  net: { kind: 'parsed', parse: netOption, brief: 'Network card behind the host (10.0.2.15; the host is 10.0.2.2), with ports of the host that lead to the guest', optional: true, placeholder: 'user[,hostfwd=tcp::8080-:80][,pci]' },
  rng: { kind: 'parsed', parse: seedOption, brief: 'virtio-rng with the stream of this seed', optional: true, placeholder: 'SEED' },
  virtioConsole: { kind: 'boolean', brief: 'virtio-console on this terminal (console=hvc0); the UART prints as well', default: false, withNegated: false },
  until: { kind: 'parsed', parse: String, brief: 'Stop at once when the console has printed TEXT', optional: true, placeholder: 'TEXT' },
  console: { kind: 'parsed', parse: String, brief: 'Write the console to FILE instead of stdout', optional: true, placeholder: 'FILE' },
} as const

export const RUN_FLAGS = {
  on: { kind: 'parsed', parse: oneOf('--on', ['machine', 'vm']), brief: 'machine (bare) or vm (of L0)', default: 'machine' },
  arch: { kind: 'parsed', parse: profileName, brief: `Profile: ${PROFILE_NAMES.join(', ')}`, default: 'v8.4' },
  board: { kind: 'parsed', parse: oneOf('--board', ['virt', 'moonshot']), brief: 'virt or moonshot', default: 'virt' },
  gic: { kind: 'parsed', parse: gicVersion, brief: 'v2 or v3 (default: the board\'s)', optional: true },
  ...VM_FLAGS,
  translate: { kind: 'boolean', brief: 'Translate hot code to WebAssembly; --no-translate interprets all of it (the guest cannot tell)', default: true },
  dumpdtb: { kind: 'parsed', parse: String, brief: 'Write the device tree and stop', optional: true, placeholder: 'FILE' },
  l0: { kind: 'parsed', parse: oneOf('--l0', ['split', 'lazy']), brief: 'World switches of L0: split (Linux 4.10) or lazy', default: 'lazy' },
  timeout: { kind: 'parsed', parse: seconds, brief: 'Stop after this many seconds', optional: true, placeholder: 'SECONDS' },
} as const

export const IMAGE_PARAMETER = { brief: 'ELF file, arm64 Image or debian:X', parse: String, placeholder: 'IMAGE' } as const

/** Combinations that cannot work, said before anything starts. `flags` are the machine's, `vms` all images. */
export function checkCombination(flags: RunFlags, vms: readonly VmFlags[]): void {
  const hasNv = flags.arch !== 'v8.0' && flags.arch !== 'v8.1' && !flags.hide.includes('FEAT_NV')
  if (flags.board === 'moonshot' && flags.gic === 3) throw new BadInput('--gic', 'moonshot has a GICv2; choose --board virt')
  if (vms.length > 1 && flags.on !== 'vm') throw new BadInput('--and', 'several images need --on vm')
  if (vms.reduce((sum, vm) => sum + vm.mem, 0) > LARGEST_MEMORY) throw new BadInput('--mem', 'the VMs together want more than the 3G that fit beside the caches')
  for (const vm of vms) {
    if (flags.on === 'vm' && vm.el2 && !hasNv && vm.paravirt === undefined) {
      throw new BadInput('--el2', `a VM on ${flags.arch}${flags.hide.includes('FEAT_NV') ? ' without FEAT_NV' : ''} has no EL2 of its own; choose --arch v8.3, neve or v8.4, or rewrite the guest hypervisor with --paravirt nv`)
    }
    if (vm.paravirt !== undefined && (flags.on !== 'vm' || !vm.el2)) throw new BadInput('--paravirt', 'it needs --on vm --el2')
    if (vm.paravirt !== undefined && hasNv) throw new BadInput('--paravirt', `${flags.arch} has FEAT_NV; the paravirtual method is for v8.0 and v8.1`)
  }
}
