/** The devices of a list of plugs: one virtio device each, found by its slot or PCI number, and by its name for what comes from outside. */
import { BadInput } from '../arch/bad-input.ts'
import type { OutsideEvent, Plug, PlugKind, Transport } from './plug.ts'
import { VirtioBlock } from './virtio/block.ts'
import { VirtioConsole } from './virtio/console.ts'
import { VirtioDevice } from './virtio/device.ts'
import { VirtioEntropy } from './virtio/entropy.ts'
import type { DmaMemory } from './virtio/memory.ts'
import type { VirtioModel } from './virtio/model.ts'
import { VirtioNetwork } from './virtio/network.ts'
import { VirtioShare } from './virtio/share.ts'

/** virtio-mmio slots of the board, and device numbers 1 to 31 of the PCIe host's bus 0: 0 is the host bridge. */
const PLACES: Readonly<Record<Transport, { readonly first: number, readonly last: number, readonly what: string }>> = {
  mmio: { first: 0, last: 31, what: 'virtio-mmio slot' },
  pci: { first: 1, last: 31, what: 'PCI device' },
}

export interface Plugged {
  readonly name: string
  readonly transport: Transport
  readonly slot: number
  readonly device: VirtioDevice
}

export interface PlugInOptions {
  readonly memory: DmaMemory
  /** Of consoles without an output of their own. */
  readonly console: (byte: number) => void
  /** virtio-mmio devices have the legacy interface. */
  readonly legacyVirtio?: boolean
  /** What a driver has done wrong. */
  readonly complaint?: ((text: string) => void) | undefined
}

/** Throws BadInput when two want the same place or name, or there is no room. */
export function plugIn(plugs: readonly Plug[], { memory, console, legacyVirtio, complaint }: PlugInOptions): readonly Plugged[] {
  const names = new Set<string>(), taken = new Set<string>(), count = new Map<PlugKind, number>()
  const place = (transport: Transport, slot: number): string => `${PLACES[transport].what} ${slot}`
  for (const { transport = 'mmio', slot } of plugs) {
    if (slot === undefined) continue
    const { first, last, what } = PLACES[transport]
    if (!Number.isInteger(slot) || slot < first || slot > last) throw new BadInput(what, `${slot} is not in ${first} to ${last}`)
    if (taken.has(place(transport, slot))) throw new BadInput(place(transport, slot), 'two devices want it')
    taken.add(place(transport, slot))
  }
  return plugs.map(plug => {
    const number = count.get(plug.kind) ?? 0, { transport = 'mmio' } = plug, { first, last, what } = PLACES[transport]
    count.set(plug.kind, number + 1)
    const name = plug.name ?? `${plug.kind}${number}`
    if (names.has(name)) throw new BadInput('device', `two are called ${name}`)
    names.add(name)
    let { slot } = plug
    for (let free = first; slot === undefined && free <= last; free++) if (!taken.has(place(transport, free))) slot = free
    if (slot === undefined) throw new BadInput('devices', `every ${what} is taken`)
    taken.add(place(transport, slot))
    return { name, transport, slot, device: new VirtioDevice({ model: modelOf(plug, number, console), memory, legacy: legacyVirtio === true && transport === 'mmio', ...(complaint === undefined ? {} : { complaint: text => { complaint(`${name}: ${text}`) } }) }) }
  })
}

/** Hands an event to its device; false if none has the name, or if the device has no way in. */
export function receive(plugged: readonly Plugged[], event: OutsideEvent): boolean {
  const model = plugged.find(({ name }) => name === event.device)?.device.model
  if (model?.outside === undefined) return false
  model.outside(event)
  return true
}

function modelOf(plug: Plug, number: number, console: (byte: number) => void): VirtioModel {
  switch (plug.kind) {
    case 'block':
      if (plug.backing.size === 0 || plug.backing.size % 512 !== 0) throw new BadInput('disk', `${plug.backing.size} bytes are not a multiple of 512`)
      return new VirtioBlock(plug)
    case 'console': return new VirtioConsole(plug.output ?? (bytes => { for (const byte of bytes) console(byte) }))
    case 'entropy': return new VirtioEntropy(plug.seed)
    case 'share': return new VirtioShare(plug.tag, plug.files)
    case 'network': return new VirtioNetwork({ mac: plug.mac ?? `52:54:00:12:34:${(0x56 + number).toString(16)}`, host: plug.host, forwards: plug.forwards ?? [], delayedAcknowledgements: plug.delayedAcknowledgements })
  }
}
