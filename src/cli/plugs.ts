/** Options of `nidus run` that plug devices in: each parser throws BadInput and has no side effect; `openPlugs` opens what they name. */
import { BadInput } from '../arch/bad-input.ts'
import type { Plug, PortForward, ShareFiles, Transport } from '../devices/index.ts'
import { openDisk, type DiskAccess } from './disk.ts'
import { NodeNetwork } from './network.ts'
import { integerBetween } from './options.ts'
import { openShare } from './share.ts'

export interface DiskOption { readonly path: string, readonly access: DiskAccess, readonly transport: Transport }

export interface ShareOption { readonly path: string, readonly tag: string, readonly readOnly: boolean, readonly transport: Transport }

export interface NetOption { readonly forwards: readonly PortForward[], readonly transport: Transport }

export interface PlugFlags {
  readonly drive: readonly DiskOption[]
  readonly share: readonly ShareOption[]
  readonly net?: NetOption
  readonly rng?: number
  readonly virtioConsole: boolean
}

/** `FILE[,ro|,overlay][,pci]`: `pci` puts the device on the PCIe host instead of a virtio-mmio slot; a comma in the name of the file is not for these options. */
function parts(option: string, text: string, known: readonly string[]): { readonly value: string, readonly words: ReadonlySet<string>, readonly pairs: readonly (readonly [string, string])[] } {
  const [value = '', ...rest] = text.split(','), words = new Set<string>(), pairs: (readonly [string, string])[] = []
  if (value === '') throw new BadInput(option, `'${text}' names nothing`)
  for (const part of rest) {
    const equals = part.indexOf('='), name = equals < 0 ? part : part.slice(0, equals + 1)
    if (!known.includes(name)) throw new BadInput(option, `'${part}' is not one of ${known.join(', ')}`)
    if (equals < 0) words.add(part)
    else pairs.push([name.slice(0, -1), part.slice(equals + 1)])
  }
  return { value, words, pairs }
}

const transportOf = (words: ReadonlySet<string>): Transport => words.has('pci') ? 'pci' : 'mmio'

export function diskOption(text: string): DiskOption {
  const { value, words } = parts('--drive', text, ['ro', 'overlay', 'pci'])
  if (words.has('ro') && words.has('overlay')) throw new BadInput('--drive', `'${text}': choose ro or overlay`)
  return { path: value, access: words.has('ro') ? 'ro' : words.has('overlay') ? 'overlay' : 'rw', transport: transportOf(words) }
}

const DEFAULT_TAG = 'share'

/** `FOLDER[:TAG][,ro][,pci]`. */
export function shareOption(text: string): ShareOption {
  const { value, words } = parts('--share', text, ['ro', 'pci']), colon = value.lastIndexOf(':'), path = colon < 0 ? value : value.slice(0, colon)
  if (path === '') throw new BadInput('--share', `'${text}' names no folder`)
  return { path, tag: colon < 0 ? DEFAULT_TAG : value.slice(colon + 1), readOnly: words.has('ro'), transport: transportOf(words) }
}

/** As QEMU writes it: `tcp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT`. Default: only this host reaches the port. */
export function portForward(text: string): PortForward {
  const match = /^(?:tcp)?:([\d.]*):(\d+)-(?:10\.0\.2\.15)?:(\d+)$/.exec(text), port = integerBetween('--net', 1, 65_535)
  if (match === null) throw new BadInput('--net', `'${text}' is no forward; write hostfwd=tcp::8080-:80`)
  return { hostAddress: match[1] === '' ? '127.0.0.1' : match[1]!, hostPort: port(match[2]!), guestPort: port(match[3]!) }
}

export function netOption(text: string): NetOption {
  const { value, words, pairs } = parts('--net', text, ['hostfwd=', 'pci'])
  if (value !== 'user') throw new BadInput('--net', `'${value}' is not user`)
  return { forwards: pairs.map(([, each]) => portForward(each)), transport: transportOf(words) }
}

export const seedOption = integerBetween('--rng', 0, Number.MAX_SAFE_INTEGER)

export interface OpenPlugs {
  readonly plugs: readonly Plug[]
  /** To be attached to the machine that gets the plugs, and closed. */
  readonly network: NodeNetwork | undefined
}

export interface PlugOptions {
  /** What the network answers comes from a recording. */
  readonly mute?: boolean
  /** Shares answer by way of this. */
  readonly share?: (tag: string, readOnly: boolean, open: () => ShareFiles) => ShareFiles
}

export function openPlugs(flags: PlugFlags, { mute = false, share = (_tag, _readOnly, open) => open() }: PlugOptions = {}): OpenPlugs {
  const tags = flags.share.map(({ tag }) => tag), twice = tags.find((tag, i) => tags.indexOf(tag) !== i)
  if (twice !== undefined) throw new BadInput('--share', `two have the tag ${twice}; write FOLDER:TAG`)
  const network = flags.net === undefined || mute ? undefined : new NodeNetwork(), host = network ?? { request: () => {} }
  const plugs = [
    ...flags.drive.map(({ path, access, transport }): Plug => ({ kind: 'block', backing: openDisk(path, access), transport })),
    ...flags.share.map(({ path, tag, readOnly, transport }): Plug => ({ kind: 'share', tag, files: share(tag, readOnly, () => openShare(path, readOnly)), transport })),
    ...(flags.net === undefined ? [] : [{ kind: 'network', host, forwards: flags.net.forwards, transport: flags.net.transport } satisfies Plug]),
    ...(flags.rng === undefined ? [] : [{ kind: 'entropy', seed: flags.rng } satisfies Plug]),
    ...(flags.virtioConsole ? [{ kind: 'console' } satisfies Plug] : []),
  ]
  return { plugs, network }
}
