/** Drivers of -device: what each becomes, with its properties. */
import { accepted, ignored, mapped, type Keys } from './keyed.ts'

export type DeviceKind = 'block' | 'network' | 'entropy' | 'console-bus' | 'console' | 'share' | 'loader' | 'guest-loader'

export interface DriverRow {
  readonly kind: DeviceKind
  readonly transport: 'mmio' | 'pci'
  readonly keys: Keys
}

const VIRTIO: Keys = {
  driver: mapped, id: mapped, bus: mapped, addr: mapped, multifunction: accepted, 'disable-legacy': accepted, 'disable-modern': ignored('devices are those of virtio 1'), iommu_platform: accepted, event_idx: accepted,
  indirect_desc: accepted, packed: accepted, ats: accepted, vectors: accepted, romfile: accepted, rombar: accepted, 'any_layout': accepted, 'num-queues': accepted, 'queue-size': accepted, iothread: accepted, bootindex: accepted,
  'page-per-vq': accepted, 'modern-pio-notify': accepted, 'use-started': accepted, acpi_index: accepted,
}
const FAMILIES: Readonly<Record<string, { readonly kind: DeviceKind, readonly keys: Keys }>> = {
  blk: { kind: 'block', keys: { drive: mapped, serial: mapped, 'write-cache': accepted, 'logical_block_size': accepted, 'physical_block_size': accepted, scsi: accepted, 'config-wce': accepted, 'share-rw': accepted, discard: accepted } },
  net: { kind: 'network', keys: { netdev: mapped, mac: mapped, mq: accepted, csum: accepted, gso: accepted, guest_csum: accepted, mrg_rxbuf: accepted, host_mtu: accepted } },
  rng: { kind: 'entropy', keys: { rng: accepted, 'max-bytes': accepted, period: accepted } },
  serial: { kind: 'console-bus', keys: { max_ports: accepted } },
  '9p': { kind: 'share', keys: { fsdev: mapped, mount_tag: mapped } },
}

const rows = new Map<string, DriverRow>()
for (const [name, { kind, keys }] of Object.entries(FAMILIES)) {
  const all = { ...VIRTIO, ...keys }
  rows.set(`virtio-${name}-device`, { kind, transport: 'mmio', keys: all })
  for (const suffix of ['-pci', '', '-pci-non-transitional', '-pci-transitional']) rows.set(`virtio-${name}${suffix}`, { kind, transport: 'pci', keys: all })
}
const PORT: Keys = { driver: mapped, id: accepted, bus: mapped, chardev: mapped, name: accepted, nr: accepted }
rows.set('virtconsole', { kind: 'console', transport: 'mmio', keys: PORT }).set('virtserialport', { kind: 'console', transport: 'mmio', keys: PORT })
rows.set('loader', { kind: 'loader', transport: 'mmio', keys: { driver: mapped, id: accepted, file: mapped, addr: mapped, 'cpu-num': mapped, 'force-raw': mapped, data: mapped, 'data-len': mapped, 'data-be': mapped } })
rows.set('guest-loader', { kind: 'guest-loader', transport: 'mmio', keys: { driver: mapped, id: accepted, addr: mapped, kernel: mapped, initrd: mapped, bootargs: mapped } })

export const DRIVERS: ReadonlyMap<string, DriverRow> = rows

/** Drivers that scripts name out of habit: the guest does without, and that is said. */
export const ABSENT_DRIVERS: readonly (readonly [RegExp, string])[] = [
  [/^(?:virtio-gpu|virtio-vga|ramfb|VGA|bochs-display)/, 'there is no display'],
  [/^(?:virtio-(?:keyboard|mouse|tablet|multitouch|input)|usb-|qemu-xhci|nec-usb-xhci|ich9-usb|piix3-usb)/, 'there are no USB and input devices'],
  [/^(?:virtio-balloon|virtio-mem|virtio-pmem)/, 'memory does not change its size'],
  [/^(?:virtio-sound|intel-hda|hda-|AC97)/, 'there is no sound'],
  [/^(?:pcie-root-port|pcie-pci-bridge|pci-bridge|pxb-pcie)/, 'there is one PCIe bus'],
  [/^(?:tpm-tis|i6300esb|pvpanic|virtio-iommu|virtio-crypto)/, 'there is no such device'],
]
