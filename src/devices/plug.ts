/**
 * What can be plugged into a board, as data with the narrow interfaces to what lies outside: the command line, QEMU's options and programs
 * all end here. The machine and L0's virtual machines take the same list. Files and sockets stay behind the interfaces: `cli/` has them.
 *
 * Everything that enters a machine on its own account (bytes typed, what the network answers) is an `OutsideEvent`, and comes in through
 * one method, `Machine.post`. Disks and shares answer at once, through `BlockBacking` and `ShareFiles`.
 */
export type { OutsideEvent, OutsideReceiver } from '../arch/outside.ts'

/** Where the device sits: a virtio-mmio slot, or a function of the PCIe host. Default: mmio. */
export type Transport = 'mmio' | 'pci'

interface Common {
  /** Unique; addressed by outside events. Default: the kind and a number, `block0`, `network0`. */
  readonly name?: string
  readonly transport?: Transport
  /**
   * virtio-mmio: 0 to 31; default the lowest that is free, so that Linux finds devices in their order (QEMU gives its first device slot 31).
   * PCI: device number 1 to 31 on bus 0.
   */
  readonly slot?: number
}

/** A disk's bytes. Offsets and lengths are within `size`; false is an I/O error that the guest sees. */
export interface BlockBacking {
  /** A multiple of 512. */
  readonly size: number
  readonly readOnly: boolean
  read(offset: number, into: Uint8Array): boolean
  write(offset: number, from: Uint8Array): boolean
  flush(): boolean
  /** Of a backing that keeps changes in memory: plain data for a snapshot. */
  save?(): unknown
  restore?(state: unknown): void
}

export interface BlockPlug extends Common {
  readonly kind: 'block'
  readonly backing: BlockBacking
  /** At most 20 bytes of ASCII; /dev/disk/by-id shows it. */
  readonly serial?: string
}

export interface ConsolePlug extends Common {
  readonly kind: 'console'
  /** Default: where the UART's bytes go. */
  readonly output?: (bytes: Uint8Array) => void
}

/** The guest gets the stream of this seed: the same in every run. */
export interface EntropyPlug extends Common {
  readonly kind: 'entropy'
  /** 0 to 2^53 - 1. */
  readonly seed: number
}

/** 9p2000.L over virtio: `mount -t 9p -o trans=virtio TAG /mnt`. */
export interface SharePlug extends Common {
  readonly kind: 'share'
  readonly tag: string
  readonly files: ShareFiles
}

/** A TCP port of the host that leads to one of the guest. */
export interface PortForward {
  readonly hostAddress: string
  readonly hostPort: number
  readonly guestPort: number
}

/** User-mode network 10.0.2.0/24 as QEMU's: gateway and host 10.0.2.2, resolver 10.0.2.3, the guest gets 10.0.2.15. */
export interface NetworkPlug extends Common {
  readonly kind: 'network'
  /** Default: 52:54:00:12:34:56, the next one for the next card. */
  readonly mac?: string
  readonly host: HostNetwork
  readonly forwards?: readonly PortForward[]
  /** TCP acknowledges as a host's stack does, every second segment or with data. Default: at once. */
  readonly delayedAcknowledgements?: boolean
}

export type Plug = BlockPlug | ConsolePlug | EntropyPlug | SharePlug | NetworkPlug
export type PlugKind = Plug['kind']

// ---- to the host's network ----

/** Never answers at once: answers are outside events of the network plug. Ids of connections are given by the machine, those of forwarded ones by the host, from 2^31 up. */
export interface HostNetwork { request(request: HostRequest): void }

export type HostRequest =
  /** 'resolved' with 4 bytes per IPv4 address; none: there is no such name. */
  | { readonly kind: 'resolve', readonly id: number, readonly name: string }
  /** 'connected' or 'refused'. */
  | { readonly kind: 'connect', readonly id: number, readonly address: string, readonly port: number }
  /** TCP bytes; 'sent' with the number of bytes as 4 bytes when the host has taken them. */
  | { readonly kind: 'send', readonly id: number, readonly bytes: Uint8Array }
  /** The guest sends no more. */
  | { readonly kind: 'finish', readonly id: number }
  /** Forget the connection; no more events of it. */
  | { readonly kind: 'abort', readonly id: number }
  /** The guest has taken bytes of 'data': so many more may be read from the host. */
  | { readonly kind: 'taken', readonly id: number, readonly count: number }
  /** UDP: `id` names the guest's socket; answers are 'datagram' with 4 bytes address, 2 bytes port, then the data. */
  | { readonly kind: 'datagram', readonly id: number, readonly address: string, readonly port: number, readonly bytes: Uint8Array }
  /** Ports to listen on; connections are 'incoming' with the index of the forward as 4 bytes. */
  | { readonly kind: 'listen', readonly forwards: readonly PortForward[] }

// ---- a shared folder ----

/** Linux error numbers, as 9p2000.L has them. */
export type Errno = number

export interface FileAttributes {
  readonly type: 'file' | 'folder' | 'link' | 'other'
  /** Type and permission bits as in stat(2). */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly links: number
  readonly size: number
  /** Identity of the file: the same for all names of it. */
  readonly inode: bigint
  readonly blocks: number
  readonly modified: FileTime
  readonly accessed: FileTime
  readonly changed: FileTime
}

export interface FileTime { readonly seconds: bigint, readonly nanoseconds: number }

export interface AttributeChange {
  readonly mode?: number
  readonly size?: number
  /** Undefined times stay; 'now' is the host's clock. */
  readonly accessed?: FileTime | 'now'
  readonly modified?: FileTime | 'now'
}

export interface FileSystemStatus { readonly blockSize: number, readonly blocks: bigint, readonly freeBlocks: bigint, readonly availableBlocks: bigint, readonly files: bigint, readonly freeFiles: bigint }

export interface OpenMode { readonly read: boolean, readonly write: boolean, readonly truncate: boolean }

/** Names from the root of the share down; each is a plain name (no '/', no NUL, not '.' or '..', not empty). */
export type SharePath = readonly string[]

/**
 * A folder of the host. No path leaves it: names are plain, links are never followed, and what is not a file, folder or link cannot be opened.
 * Every method answers with an `Errno` when it cannot do what it is asked.
 */
export interface ShareFiles {
  readonly readOnly: boolean
  attributes(path: SharePath): FileAttributes | Errno
  change(path: SharePath, change: AttributeChange): undefined | Errno
  /** Handle of a regular file that is there. */
  open(path: SharePath, mode: OpenMode): OpenShareFile | Errno
  /** Handle of a new file; EEXIST when there is one and `exclusive`. */
  create(path: SharePath, mode: OpenMode, permissions: number, exclusive: boolean): OpenShareFile | Errno
  list(path: SharePath): readonly { readonly name: string, readonly inode: bigint, readonly type: FileAttributes['type'] }[] | Errno
  makeFolder(path: SharePath, permissions: number): undefined | Errno
  makeLink(path: SharePath, target: string): undefined | Errno
  makeHardLink(path: SharePath, existing: SharePath): undefined | Errno
  readLink(path: SharePath): string | Errno
  rename(from: SharePath, to: SharePath): undefined | Errno
  remove(path: SharePath, folder: boolean): undefined | Errno
  status(): FileSystemStatus | Errno
}

export interface OpenShareFile {
  /** Also when the file has no name any more. */
  attributes(): FileAttributes | Errno
  /** Bytes read: fewer at the end of the file. */
  read(offset: number, into: Uint8Array): number | { readonly errno: Errno }
  write(offset: number, from: Uint8Array): number | { readonly errno: Errno }
  truncate(size: number): undefined | Errno
  sync(): undefined | Errno
  close(): void
}
