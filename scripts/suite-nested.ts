/**
 * Debian's kernels as guest hypervisors in a VM of L0: boots each of them on each profile in each mode with `guests/vmm` as the first process,
 * runs an L2 under it, and prints one row per run. L2 is bench, a Debian kernel, or bench below a Debian kernel that has EL2 itself.
 *
 *   node scripts/suite-nested.ts [--l1 5.10,6.12] [--arch v8.3,v8.4] [--mode vhe,hide,nvhe,nested] [--l2 bench|5.10|..] [--gic 2|3] [--smp N] [--hide AES,SHA256]
 *     [--paravirt nv|neve] [--log FOLDER] [--json]
 *
 * Modes: `vhe`; `hide`, nVHE because FEAT_VHE is hidden; `nvhe`, by kvm-arm.mode=nvhe; `nested`, kvm-arm.mode=nested with FEAT_NV2 offered to L1.
 * On v8.0 the kernel is rewritten (--paravirt, nv unless said otherwise) and is nVHE in every mode; its other modes are left out.
 * Kernels are those of `nidus fetch debian:X`. Exit status 1 if a run did not reach its mark.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ProfileName } from '../src/arch/features.ts'
import type { GicVersion } from '../src/arch/gic.ts'
import { unwrapImage } from '../src/arch/image/compressed.ts'
import { loadGuests, loadVmm } from '../src/cli/guest-images.ts'
import { debianImage } from '../src/cli/debian/image.ts'
import { decompress } from '../src/cli/decompress.ts'
import { hiddenFeature, oneOf } from '../src/cli/options.ts'
import { executedText } from '../src/cli/rewriting-text.ts'
import { LINUX_QUIET, vmmInitramfs } from '../src/lab/linux.ts'
import { createMachine } from '../src/machine/machine.ts'
import { ExitStatistics } from '../src/trace/exit-statistics.ts'
import { createL0, type Paravirtualised } from '../src/vmm/index.ts'

type Mode = 'vhe' | 'hide' | 'nvhe' | 'nested'
const MODES: readonly Mode[] = ['vhe', 'hide', 'nvhe', 'nested']
const MIB = 2 ** 20
const MOST_INSTRUCTIONS = 30_000_000_000

const { values } = parseArgs({
  options: {
    l1: { type: 'string', default: '5.10,6.1,6.12,7' }, arch: { type: 'string', default: 'v8.3,neve,v8.4' }, mode: { type: 'string', default: 'vhe,hide' },
    l2: { type: 'string', default: 'bench' }, gic: { type: 'string', default: '3' }, smp: { type: 'string', default: '2' }, hide: { type: 'string' }, paravirt: { type: 'string', default: 'nv' }, log: { type: 'string' }, json: { type: 'boolean', default: false },
  },
})
const smp = Number(values.smp), gic: GicVersion = values.gic === '2' ? 2 : 3
const form = oneOf('--paravirt', ['nv', 'neve'])(values.paravirt)
const hide = values.hide?.split(',').map(hiddenFeature) ?? []
const modes = values.mode.split(',').map(mode => {
  const found = MODES.find(each => each === mode)
  if (found === undefined) throw new Error(`mode '${mode}': ${MODES.join(', ')}`)
  return found
})

const kernel = async (name: string): Promise<{ readonly image: Uint8Array, readonly initrd: Uint8Array }> => {
  const { image, initrd } = await debianImage(`debian:${name}`)
  return { image: await unwrapImage(image, decompress), initrd }
}

/** What is said by the L2 that got to its end. */
interface Nested { readonly files: Readonly<Record<string, Uint8Array>>, readonly options: string, readonly mark: string, readonly memory: number }

async function nested(mode: Mode): Promise<Nested> {
  const bench = loadGuests().benchImage
  if (mode === 'nested') {
    // L2 is a guest hypervisor as well, and bench is L3.
    const { image } = await kernel(values.l2 === 'bench' ? '7' : values.l2)
    return { files: { kernel: image, initrd: vmmInitramfs(loadVmm(), { kernel: bench }) }, options: 'initrd=/initrd el2 memory=256 "append=quiet -- append=quiet=1"', mark: 'bench: done', memory: 1024 }
  }
  if (values.l2 === 'bench') return { files: { kernel: bench }, options: `vcpus=${smp} append=quiet=1`, mark: 'bench: done', memory: 320 }
  const { image, initrd } = await kernel(values.l2)
  return { files: { kernel: image, initrd }, options: `vcpus=${smp} initrd=/initrd memory=384 "append=quiet do=boot"`, mark: 'MARK-BOOT', memory: 1024 }
}

let failed = 0
for (const name of values.l1.split(',')) {
  const { image } = await kernel(name)
  for (const mode of modes) {
    const { files, options, mark, memory } = await nested(mode)
    for (const arch of values.arch.split(',') as ProfileName[]) {
      if (arch === 'v8.0' && mode !== 'hide' && mode !== 'nvhe') continue
      let rewriting: Paravirtualised | undefined
      const title = `L1 ${name}, ${arch}${arch === 'v8.0' ? ` paravirtual ${form}` : ''}, ${mode}, GICv${gic}, ${smp} CPUs, L2 ${values.l2}`
      const counters = new ExitStatistics(), before = process.cpuUsage()
      let printed = ''
      const machine = createMachine({
        board: 'virt', gic, smp, profile: arch, hide, memBytes: (memory + 64) * MIB, reservedBytes: 32 * MIB, onEvent: counters.sink,
        l0: createL0({
          vms: [{
            image, initrd: vmmInitramfs(loadVmm(), files), hide, memBytes: memory * MIB, smp, gic, el2: mode === 'hide' ? 'nvhe' : 'nvhe-or-vhe', recursion: mode === 'nested',
            ...(arch === 'v8.0' ? { paravirt: form, onRewritten: result => { rewriting = result } } : {}),
            append: `${LINUX_QUIET}${mode === 'nvhe' || mode === 'nested' ? ` kvm-arm.mode=${mode}` : ''} -- ${options}`,
            console: byte => { printed += String.fromCharCode(byte) },
          }],
        }),
      })
      // A Debian kernel as L2 goes on to a power-off; its mark is enough.
      const outcome = machine.run({ maxInstructions: MOST_INSTRUCTIONS, until: mark })
      const { user, system } = process.cpuUsage(before), reached = printed.includes(mark)
      if (!reached) failed++
      const traps = counters.rows().reduce((sum, { count }) => sum + count, 0)
      const row = { title, reached, outcome: outcome.kind, instructions: machine.instructions, traps, seconds: Math.round((user + system) / 100_000) / 10, ...(rewriting === undefined ? {} : { executed: rewriting.executed() }) }
      console.log(values.json ? JSON.stringify(row) : `${reached ? 'ok    ' : 'FAILED'} ${title}: ${row.instructions} instructions, ${traps} traps to L0, ${row.seconds} s CPU${rewriting === undefined ? '' : `; ${executedText(rewriting)}`}${reached ? '' : `, ended with ${outcome.kind}: ${printed.slice(-300)}`}`)
      if (values.log !== undefined) {
        mkdirSync(values.log, { recursive: true })
        writeFileSync(join(values.log, `${title.replaceAll(/[ ,]+/g, '-')}.txt`), printed)
      }
    }
  }
}
process.exitCode = failed > 0 ? 1 : 0
