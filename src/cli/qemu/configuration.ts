/** What a QEMU command line asks for, as data: the files are not looked at yet. */
import type { Feature, ProfileName } from '../../arch/features.ts'
import type { GicVersion } from '../../arch/gic.ts'
import type { GdbAddress } from '../gdb-server.ts'

/** Where characters go. */
export type Character =
  | { readonly kind: 'terminal', /** Ctrl-A is the escape character. */ readonly mux: boolean }
  | { readonly kind: 'null' }
  | { readonly kind: 'file', readonly path: string, readonly append: boolean }
  | { readonly kind: 'stderr' }
  /** kvm-unit-tests: a code and `q` end the run with an exit code. */
  | { readonly kind: 'testdev' }

export interface Drive {
  readonly id: string
  readonly file: string
  readonly readOnly: boolean
  /** Changes are kept in memory. */
  readonly snapshot: boolean
  readonly use: 'none' | 'virtio' | 'pflash'
  readonly unit: number | undefined
  /** As -hda and its like name it. */
  readonly option: string
}

export interface Device {
  readonly driver: string
  readonly values: ReadonlyMap<string, string>
}

export interface Netdev { readonly id: string, readonly forwards: readonly string[], readonly kind: string }
export interface Share { readonly id: string, readonly path: string, readonly readOnly: boolean }
export interface FwCfgOption { readonly name: string, readonly file?: string, readonly text?: string }

/** Filled option by option. */
export interface Configuration {
  machine: string | undefined
  gic: GicVersion
  el2: boolean
  cpu: { readonly name: string, readonly profile: ProfileName, readonly hide: readonly Feature[], readonly difference: string | undefined } | undefined
  cpus: number
  memBytes: number
  kernel: string | undefined
  initrd: string | undefined
  append: string | undefined
  dtb: string | undefined
  dumpdtb: string | undefined
  bios: string | undefined
  biosFolders: string[]
  drives: Drive[]
  /** Node name to the node or the file that it is made of. */
  blockNodes: Map<string, { readonly file?: string, readonly below?: string, readonly readOnly: boolean }>
  devices: Device[]
  netdevs: Netdev[]
  shares: Share[]
  chardevs: Map<string, Character>
  serials: (Character | { readonly kind: 'chardev', readonly id: string })[]
  fwCfg: FwCfgOption[]
  /** The virtio-mmio slots have the interface of the time before VIRTIO 1.0. */
  legacyVirtio: boolean
  semihosting: { enabled: boolean, chardev: string | undefined, userSpace: boolean, arguments: string[], folder: string | undefined }
  gdb: GdbAddress | undefined
  wait: boolean
  nographic: boolean
  display: string | undefined
  nodefaults: boolean
  reboot: boolean
  snapshot: boolean
  seed: number
  pidfile: string | undefined
  /** Text to print and be done: -version, -machine help. */
  answer: string | undefined
  readonly warnings: string[]
}

export function emptyConfiguration(): Configuration {
  return {
    machine: undefined, gic: 2, el2: false, cpu: undefined, cpus: 1, memBytes: 128 * 2 ** 20, kernel: undefined, initrd: undefined, append: undefined, dtb: undefined, dumpdtb: undefined, bios: undefined, biosFolders: [],
    drives: [], blockNodes: new Map(), devices: [], netdevs: [], shares: [], chardevs: new Map(), serials: [], fwCfg: [], legacyVirtio: true,
    semihosting: { enabled: false, chardev: undefined, userSpace: false, arguments: [], folder: undefined }, gdb: undefined, wait: false, nographic: false, display: undefined, nodefaults: false, reboot: true, snapshot: false,
    seed: 1, pidfile: undefined, answer: undefined, warnings: [],
  }
}
