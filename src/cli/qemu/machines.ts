/** QEMU's machine and CPU names, and what becomes of them here. */
import { BadInput } from '../../arch/bad-input.ts'
import type { Feature, ProfileName } from '../../arch/features.ts'
import { accepted, ignored, isOn, mapped, only, pairsOf, refused, valuesOf, type Keys } from './keyed.ts'

export const MACHINE = /^virt(?:-\d+\.\d+)?$/

export const MACHINE_KEYS: Keys = {
  type: mapped, 'gic-version': mapped, virtualization: mapped, dumpdtb: mapped, kernel: mapped, initrd: mapped, append: mapped, dtb: mapped, firmware: mapped,
  accel: mapped, secure: only(['off'], 'there is no EL3'), mte: only(['off'], 'there is no FEAT_MTE'), ras: only(['off'], 'there is no RAS extension'),
  highmem: accepted, 'highmem-ecam': accepted, 'highmem-mmio': accepted, 'highmem-mmio-size': accepted, 'highmem-redists': accepted, 'compact-highmem': accepted,
  its: ignored('there is no ITS'), acpi: ignored('there are no ACPI tables: the device tree describes the machine'), iommu: only(['none'], 'there is no SMMU'), graphics: accepted, usb: only(['off'], 'there is no USB'),
  'dtb-randomness': accepted, 'dtb-kaslr-seed': accepted, 'dump-guest-core': accepted, 'mem-merge': accepted, 'memory-backend': accepted, 'suppress-vmdesc': accepted, 'default-bus-bypass-iommu': accepted,
  'kernel-irqchip': accepted, 'aux-ram-share': accepted, 'memory-encryption': refused('memory is not encrypted'), 'confidential-guest-support': refused('there are no confidential guests'), 'x-oem-id': accepted, 'x-oem-table-id': accepted,
}

/** Of -accel and -machine accel=: the first that can be had of a list. */
export function checkAccelerator(option: string, text: string): void {
  const names = text.split(':')
  if (!names.some(name => name === 'tcg')) throw new BadInput(option, `accelerator ${text}: guests are translated here, as with tcg`)
}

interface CpuRow {
  readonly profile: ProfileName
  /** What the CPU has and the profile has not, or the other way round. */
  readonly difference?: string
}

/** The largest profile that has nothing that software for the CPU could trip over. */
export const CPUS: Readonly<Record<string, CpuRow>> = {
  'cortex-a35': { profile: 'v8.0' }, 'cortex-a53': { profile: 'v8.0' }, 'cortex-a57': { profile: 'v8.0' }, 'cortex-a72': { profile: 'v8.0' },
  'cortex-a55': { profile: 'v8.1', difference: 'v8.2 without what is beyond v8.1' }, 'cortex-a76': { profile: 'v8.1', difference: 'v8.2 without what is beyond v8.1' },
  'neoverse-n1': { profile: 'v8.1', difference: 'v8.2 without what is beyond v8.1' }, a64fx: { profile: 'v8.1', difference: 'v8.2 without SVE' },
  'cortex-a710': { profile: 'v8.4', difference: 'v9.0 without SVE and MTE, with nested virtualization' }, 'neoverse-n2': { profile: 'v8.4', difference: 'v9.0 without SVE and MTE' },
  'neoverse-v1': { profile: 'v8.4', difference: 'without SVE' }, max: { profile: 'v8.4', difference: 'without SVE, SME, MTE and what came after v8.4' },
}

/** Properties of -cpu. */
export const CPU_KEYS: Keys = {
  model: mapped, pauth: mapped, pmu: only(['on'], 'the PMU cannot be taken away'), aarch64: only(['on'], 'there is no AArch32'), 'pauth-impdef': accepted,
  'pauth-qarma3': ignored('pointer authentication uses an algorithm of its own'), 'pauth-qarma5': ignored('pointer authentication uses an algorithm of its own'),
  sve: only(['off'], 'there is no SVE'), sme: only(['off'], 'there is no SME'), lpa2: only(['off'], 'there is no LPA2'), 'sve-max-vq': ignored('there is no SVE'), 'kvm-no-adjvtime': accepted, 'kvm-steal-time': accepted, 'has_el3': only(['off'], 'there is no EL3'),
  'cntfrq': ignored('the counter has 62.5 MHz, as QEMU\'s'), 'start-powered-off': only(['off'], 'CPU 0 starts, the others by PSCI'),
}

export interface CpuChoice { readonly name: string, readonly profile: ProfileName, readonly hide: readonly Feature[], readonly difference: string | undefined }

export function cpuOf(text: string, warn: (text: string) => void): CpuChoice {
  const values = valuesOf('-cpu', pairsOf('-cpu', text, 'model'), CPU_KEYS, warn), name = values.get('model') ?? ''
  if (name === 'host') throw new BadInput('-cpu', 'host is for accelerators; choose max')
  const row = Object.hasOwn(CPUS, name) ? CPUS[name]! : undefined
  if (row === undefined) throw new BadInput('-cpu', `unknown CPU '${name}'; known are ${Object.keys(CPUS).join(', ')}`)
  const pauth = values.get('pauth'), off = pauth !== undefined && !isOn('-cpu', 'pauth', pauth)
  return { name, profile: row.profile, hide: off ? ['FEAT_PAuth'] : [], difference: row.difference }
}
