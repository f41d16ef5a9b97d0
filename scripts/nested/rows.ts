/** Rows of the nested suite: which hypervisor, in which mode, on which machine, with what below it. */
import type { Feature, ProfileName } from '../../src/arch/features.ts'
import { compareReleases } from '../../src/cli/debian/name.ts'

export type Mode = 'VHE' | 'nVHE' | 'protected' | 'nested' | 'Xen'
export interface Row {
  /** `6.12`, or `xen-4.20`. */
  readonly l1: string
  readonly mode: Mode
  readonly arch: ProfileName
  /** `bench`; `shell`: the checked list of commands; `levels 3`, `levels 4`: hypervisors below, with a shell or bench at the bottom. */
  readonly below: 'bench' | 'shell' | 'levels 3' | 'levels 4'
  /** Debian's kernel at EL2 in place of our L0. */
  readonly bare?: boolean
  readonly smp: number
  /** Of all levels; 3 if it is not said. */
  readonly gic?: 2
  /** On v8.0: what L0 rewrites L1's instructions into; `nv` if it is not said. */
  readonly paravirt?: 'neve'
}

export const KERNELS = ['5.10', '6.1', '6.12', '7'] as const
export const ARCHES: readonly ProfileName[] = ['v8.3', 'neve', 'v8.4']
const XENS = ['xen-4.17', 'xen-4.20'] as const

export const ROWS: readonly Row[] = [
  ...KERNELS.flatMap(l1 => (['VHE', 'nVHE'] as const).flatMap(mode => ARCHES.flatMap(arch => [
    { l1, mode, arch, below: 'bench', smp: 2 } as const, { l1, mode, arch, below: 'shell', smp: 4 } as const,
  ]))),
  // The hypervisor part has a stage 2 under its own kernel.
  ...(['6.1', '6.12', '7'] as const).flatMap(l1 => ARCHES.flatMap(arch => [
    { l1, mode: 'protected', arch, below: 'bench', smp: 2 } as const, { l1, mode: 'protected', arch, below: 'shell', smp: 4 } as const,
  ])),
  // L0 rewrites what virtual EL2 executes.
  ...KERNELS.flatMap(l1 => [{}, { paravirt: 'neve' } as const].flatMap(form => [{ l1, mode: 'nVHE', arch: 'v8.0', below: 'bench', smp: 2, ...form } as const, { l1, mode: 'nVHE', arch: 'v8.0', below: 'shell', smp: 4, ...form } as const])),
  { l1: '5.10', mode: 'nVHE', arch: 'v8.3', below: 'bench', smp: 2, gic: 2 }, { l1: '6.12', mode: 'VHE', arch: 'v8.4', below: 'shell', smp: 4, gic: 2 },
  ...XENS.flatMap(l1 => ARCHES.map(arch => ({ l1, mode: 'Xen', arch, below: 'shell', smp: 1 }) as const)),
  ...(['levels 3', 'levels 4'] as const).map(below => ({ l1: '7', mode: 'nested', arch: 'v8.4', below, smp: 1 }) as const),
  // The same images without our L0.
  { l1: '7', mode: 'nested', arch: 'v8.4', below: 'bench', bare: true, smp: 2 },
  { l1: '7', mode: 'nested', arch: 'v8.4', below: 'shell', bare: true, smp: 4 },
]

export const nameOf = ({ l1, mode, arch, below, bare, smp, gic, paravirt }: Row): string => `${bare === true ? 'bare ' : ''}${l1} ${mode} ${arch} ${below} ${smp}${gic === undefined ? '' : ` GICv${gic}`}${paravirt === undefined ? '' : ` ${paravirt}`}`

/** KVM's mode is a choice of the command line since 5.12; before, a CPU without FEAT_VHE decides. */
export const choosesMode = (kernel: string): boolean => compareReleases(kernel, '5.12') >= 0
export const hiddenFor = ({ l1, mode }: Row): readonly Feature[] => mode === 'nVHE' && !choosesMode(l1) ? ['FEAT_VHE'] : []

export const expectedMode: Readonly<Record<Mode, RegExp>> = {
  VHE: /\bVHE mode initialized/, nVHE: /(Hyp|Hyp nVHE|nVHE) mode initialized/, protected: /Protected [nh]VHE mode initialized/, nested: /VHE\+NV2 mode initialized/, Xen: /Xen version/,
}
