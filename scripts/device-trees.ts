/**
 * The device tree of `nidus qemu -- -M virt` beside QEMU's, node by node: node scripts/device-trees.ts [--qemu PROGRAM]
 *
 * Both programs write theirs (`-machine dumpdtb=`) for GICv2 and GICv3, 1 and 4 CPUs, with and without virtualization. What differs has to be in the list
 * below, with its reason; an entry of the list that nothing needs is wrong too. Exits with 1 when something is.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { readFdt, type FdtNode } from '../src/arch/fdt.ts'
import { runQemu } from '../src/cli/qemu/run.ts'

const { values } = parseArgs({ options: { qemu: { type: 'string', default: 'qemu-system-aarch64' } } })

interface Intended {
  /** What QEMU's tree has and ours has not, the other way round, or another value. */
  readonly kind: 'missing' | 'extra' | 'other'
  /** A property as `/node property`, or a node as `/node`. */
  readonly where: RegExp
  readonly why: string
}

const INTENDED: readonly Intended[] = [
  { kind: 'missing', where: /^\/ dma-coherent$/, why: 'each node that does DMA says it' },
  { kind: 'missing', where: /^\/aliases/, why: 'the UART is found by stdout-path' },
  { kind: 'missing', where: /^\/chosen kaslr-seed$/, why: 'a kernel that moves at random is another run each time; without a seed it stays' },
  { kind: 'other', where: /^\/chosen rng-seed$/, why: 'the same bytes in every run' },
  { kind: 'missing', where: /^\/cpus\/cpu-map/, why: 'a flat topology, which is what is assumed without one' },
  { kind: 'other', where: /^\/cpus\/cpu@\d compatible$/, why: 'a CPU is its profile, not a part' },
  { kind: 'extra', where: /^\/cpus\/cpu@0 enable-method$/, why: 'of a single CPU too: PSCI has CPU_SUSPEND' },
  { kind: 'other', where: /^\/intc@8000000 interrupts$/, why: 'with GICv2 the flags of a PPI carry the CPUs; QEMU leaves them out at this one' },
  { kind: 'other', where: /^\/intc@8000000 reg$/, why: 'GICR frames of the CPUs that are there, not of all that could be' },
  { kind: 'missing', where: /^\/intc@8000000\/v2m@/, why: 'there is no GICv2m: PCI functions interrupt by INTx' },
  { kind: 'missing', where: /^\/intc@8000000\/its@/, why: 'there is no ITS: PCI functions interrupt by INTx' },
  { kind: 'missing', where: /^\/pcie@10000000 msi-map$/, why: 'there is no MSI' },
  { kind: 'other', where: /^\/pcie@10000000 (?:reg|bus-range)$/, why: 'configuration space is where QEMU has it with highmem-ecam=off: 16 buses below 4 GiB' },
  { kind: 'other', where: /^\/pcie@10000000 ranges$/, why: 'there is no window above 4 GiB: BARs have 32 bits' },
  { kind: 'missing', where: /^\/platform-bus@/, why: 'nothing sits on the platform bus' },
]

/** Properties that hold phandles, and at which cells: every `step` cells, beginning with `first`. */
const PHANDLES: Readonly<Record<string, { readonly first: number, readonly step: number }>> = {
  'interrupt-parent': { first: 0, step: 1 }, 'msi-parent': { first: 0, step: 1 }, clocks: { first: 0, step: 1 }, gpios: { first: 0, step: 3 }, 'interrupt-map': { first: 4, step: 10 }, 'msi-map': { first: 1, step: 4 },
}

const text = (bytes: Uint8Array): string => {
  const { length } = bytes, printable = length > 1 && bytes.at(-1) === 0 && bytes[0] !== 0 && bytes.every(byte => byte === 0 || (byte >= 0x20 && byte < 0x7f))
  if (printable) return JSON.stringify(new TextDecoder().decode(bytes.subarray(0, -1)).split('\0'))
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  return length % 4 === 0 ? Array.from({ length: length / 4 }, (_, i) => `0x${view.getUint32(4 * i).toString(16)}`).join(' ') : Buffer.from(bytes).toString('hex')
}

/** Nodes as `/path` and properties as `/path name`; a phandle is the path of its node. */
function flatten(dtb: Uint8Array): Map<string, string> {
  const flat = new Map<string, string>(), nodes: [string, FdtNode][] = [], paths = new Map<string, string>()
  const walk = (path: string, node: FdtNode): void => {
    nodes.push([path, node])
    const phandle = node.properties.get('phandle')
    if (phandle !== undefined) paths.set(text(phandle), path)
    for (const child of node.children) walk(`${path === '/' ? '' : path}/${child.name}`, child)
  }
  walk('/', readFdt(dtb).root)
  for (const [path, { properties }] of nodes) {
    flat.set(path, 'node')
    for (const [name, bytes] of properties) {
      const place = PHANDLES[name]
      if (name === 'phandle') continue
      const words = text(bytes).split(' ')
      flat.set(`${path} ${name}`, place === undefined ? text(bytes) : words.map((word, i) => i % place.step === place.first ? `&${paths.get(word) ?? word}` : word).join(' '))
    }
  }
  return flat
}

const folder = mkdtempSync(join(tmpdir(), 'nidus-dtb-')), used = new Set<Intended>()
let failed = 0
try {
  for (const gic of [2, 3]) for (const cpus of [1, 4]) for (const virtualization of ['off', 'on']) {
    const file = (name: string): string => join(folder, `${name}.dtb`)
    const options = (name: string): string[] => ['-M', `virt,gic-version=${gic},virtualization=${virtualization},dumpdtb=${file(name)}`, '-cpu', 'cortex-a57', '-smp', String(cpus), '-m', '512', '-nographic', '-nic', 'none']
    const { status, stderr } = spawnSync(values.qemu, options('theirs'), { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${values.qemu}: ${stderr}`)
    if (await runQemu(options('ours'), '0') !== 0) throw new Error('nidus qemu failed')
    const theirs = flatten(readFileSync(file('theirs'))), ours = flatten(readFileSync(file('ours'))), name = `gic ${gic}, ${cpus} CPUs, virtualization ${virtualization}`
    const wrong: string[] = []
    for (const key of [...new Set([...theirs.keys(), ...ours.keys()])].toSorted()) {
      const a = theirs.get(key), b = ours.get(key)
      if (a === b) continue
      const kind = b === undefined ? 'missing' : a === undefined ? 'extra' : 'other', found = INTENDED.find(each => each.kind === kind && each.where.test(key))
      if (found === undefined) wrong.push(`${kind} ${key}: ${kind === 'extra' ? '' : `QEMU ${a}`} ${kind === 'missing' ? '' : `Nidus ${b}`}`)
      else used.add(found)
    }
    console.log(wrong.length === 0 ? `ok      ${name}: ${theirs.size} nodes and properties` : `FAILED  ${name}:\n  ${wrong.join('\n  ')}`)
    failed += wrong.length
  }
  for (const each of INTENDED) {
    if (used.has(each)) continue
    console.log(`FAILED  nothing is ${each.kind} at ${each.where}`)
    failed++
  }
} finally { rmSync(folder, { recursive: true }) }
process.exitCode = failed === 0 ? 0 : 1
