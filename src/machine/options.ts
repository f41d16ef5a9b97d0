/** What a machine is made of: plain data plus the sinks of its output. */
import type { CostModel } from '../arch/cost.ts'
import type { Feature, ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import type { OutsideEvent } from '../arch/outside.ts'
import type { FwCfgFile, FwCfgKernel, Plug } from '../devices/index.ts'
import type { EL2Software, L0Environment } from '../hypervisor/host.ts'
import type { TraceSink } from '../trace/event.ts'
import type { FlashImage } from './flash-banks.ts'
import type { SemihostingHost } from './semihosting.ts'

export type L0Factory = (environment: L0Environment) => EL2Software

export interface MachineOptions {
  readonly board?: 'virt' | 'moonshot'
  /** Default: the board's (3 on virt, 2 on moonshot). */
  readonly gic?: GicVersion
  /** Default: the board's (1 on virt, 8 on moonshot). At most 8. */
  readonly smp?: number
  /** RAM from 0x4000_0000. Default 256 MiB. */
  readonly memBytes?: number
  /** Default v8.4. */
  readonly profile?: ProfileName
  readonly hide?: readonly Feature[]
  /** Boot in EL2. Without it, and without L0, the PEs have no EL2. */
  readonly el2?: boolean
  /** Software at EL2 in TypeScript. */
  readonly l0?: L0Factory
  /** Top of RAM kept for L0. Default 16 MiB with L0, else 0. */
  readonly reservedBytes?: number
  readonly costs?: CostModel
  /** Most instructions of one turn when there is more than one PE. Default 1000. */
  readonly quantum?: number
  readonly console?: (byte: number) => void
  /** Disks, network cards and other devices, in the order in which the guest finds them. */
  readonly plugs?: readonly Plug[]
  /** The PCIe host is there; so it is when a plug wants it. Default: no. */
  readonly pci?: boolean
  /** The virtio-mmio slots have the interface of the time before VIRTIO 1.0, as QEMU's have by default. Default: no. */
  readonly legacyVirtio?: boolean
  /** Told what a driver has done that its device cannot go on after. */
  readonly complaint?: (text: string) => void
  /** The devices that firmware made for QEMU's `virt` looks for. Not together with L0. */
  readonly firmware?: FirmwareDevices
  /** HLT #0xF000 calls the host. */
  readonly semihosting?: SemihostingHost
  readonly onEvent?: TraceSink
  /** Something from outside has reached its device, here: for recordings. */
  readonly onOutside?: (position: Position, event: OutsideEvent) => void
  /** Symbol at an address, for messages only. */
  readonly symbolAt?: (pc: bigint) => string | undefined
  /** Compute traceHash (costs a few percent). Default true. */
  readonly hash?: boolean
  /** Translate hot code (engine tier T1); the guest and traceHash cannot tell. Default true. */
  readonly translate?: boolean
  /** Taken branches to an instruction before it is translated. */
  readonly translateAfter?: number
}

/** A place between two turns: instructions of all PEs, and turns since the last of them in which only time has passed. */
export interface Position { readonly instructions: number, readonly idleTurns: number }

export interface FirmwareDevices {
  /** What the two banks of flash hold; the first is where the PEs start without an image. */
  readonly flash?: readonly (FlashImage | undefined)[]
  readonly files?: readonly FwCfgFile[]
  /** For firmware that starts the kernel itself. */
  readonly kernel?: FwCfgKernel
}

export interface RunLimits {
  /** A position that a run like this one has come by: ends there (or behind it, if this one does not) with 'limit'. */
  readonly to?: Position
  /** Exact console bytes; the run ends right after the last of them is printed. */
  readonly until?: string
  /** Instructions of all PEs together, counted from this call; the run may pass it by less than one turn. */
  readonly maxInstructions?: number
  /** Asked between turns (every few ms); true ends the run with 'interrupted'. */
  readonly interrupted?: () => boolean
  /**
   * Asked when every PE waits, and the first will wake in so many nanoseconds of virtual time: true ends the run with 'waiting' instead, because
   * something outside is about to be posted.
   */
  readonly waits?: (nanoseconds: number) => boolean
}
