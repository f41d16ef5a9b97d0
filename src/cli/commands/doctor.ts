/** `nidus doctor`: what is missing on this machine and the one command that mends it. */
import { buildCommand } from '@stricli/core'
import { spawnSync } from 'node:child_process'
import { systemArchive } from '../debian/apt.ts'
import { EXIT } from '../exit-codes.ts'
import { formatTable } from '../table.ts'

interface Check {
  readonly name: string
  readonly neededFor: string
  /** Nidus itself does not run without it. */
  readonly required: boolean
  /** What was found, or undefined. */
  readonly probe: () => string | undefined | Promise<string | undefined>
  readonly mend: string
}

const versionOf = (command: string, argument = '--version'): string | undefined => {
  const found = spawnSync(command, [argument], { encoding: 'utf8' })
  return found.status === 0 ? /\d+\.\d+[\w.+-]*/.exec(found.stdout)?.[0] ?? 'present' : undefined
}

const aptArchive = async (): Promise<string | undefined> => {
  try { return (await systemArchive()).uri } catch { return undefined }
}

const webAssembly = (bytes: readonly number[]): boolean => WebAssembly.validate(Uint8Array.from(bytes))
/** (module (func (result v128) v128.const 0)) and (module (func return_call 0)). */
const SIMD_MODULE = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 22, 1, 20, 0, 253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11]
const TAIL_CALL_MODULE = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 6, 1, 4, 0, 18, 0, 11]

const CHECKS: readonly Check[] = [
  { name: 'Node 26', neededFor: 'everything', required: true, probe: () => Number(process.versions.node.split('.')[0]) >= 26 ? process.versions.node : undefined, mend: 'npm install' },
  { name: 'WebAssembly SIMD', neededFor: 'everything', required: true, probe: () => webAssembly(SIMD_MODULE) ? 'yes' : undefined, mend: 'npm install' },
  { name: 'WebAssembly tail calls', neededFor: 'everything', required: true, probe: () => webAssembly(TAIL_CALL_MODULE) ? 'yes' : undefined, mend: 'npm install' },
  { name: 'apt', neededFor: 'nidus fetch and rootfs, debian:X', required: false, probe: () => versionOf('apt-get'), mend: 'nidus fetch --deb FILE or --kernel FILE, with files from elsewhere' },
  { name: 'a Debian archive in apt', neededFor: 'nidus fetch and rootfs, debian:X', required: false, probe: aptArchive, mend: 'a line "deb URI trixie main" in /etc/apt/sources.list.d/debian.list, or nidus fetch --deb FILE' },
  { name: 'aarch64-linux-gnu-gcc', neededFor: 'rebuilding the guests', required: false, probe: () => versionOf('aarch64-linux-gnu-gcc'), mend: 'apt-get install gcc-aarch64-linux-gnu' },
  { name: 'qemu-aarch64', neededFor: 'the instruction oracle', required: false, probe: () => versionOf('qemu-aarch64'), mend: 'apt-get install qemu-user' },
  { name: 'qemu-system-aarch64', neededFor: 'the system oracle, benchmarks against QEMU', required: false, probe: () => versionOf('qemu-system-aarch64'), mend: 'apt-get install qemu-system-arm' },
  { name: 'dtc', neededFor: 'checking device trees', required: false, probe: () => versionOf('dtc'), mend: 'apt-get install device-tree-compiler' },
]

interface Flags { readonly json: boolean }

export const doctorCommand = buildCommand({
  docs: {
    brief: 'What is missing on this machine and the one command that mends it',
    fullDescription: 'Lists what Nidus and its test suites use, with the version found or the command that brings it.\nExit code 0 when nothing that Nidus itself needs is missing, else 2.\n\nExamples:\n  nidus doctor\n  nidus doctor --json',
  },
  parameters: { flags: { json: { kind: 'boolean', brief: 'Print JSON', default: false, withNegated: false } } },
  async func(flags: Flags) {
    const results = await Promise.all(CHECKS.map(async ({ name, neededFor, required, probe, mend }) => {
      const found = await probe() ?? null
      return { name, neededFor, required, found, mend: found === null ? mend : null }
    }))
    if (flags.json) process.stdout.write(`${JSON.stringify({ checks: results }, null, 2)}\n`)
    else process.stdout.write(`${formatTable(['what', 'found', 'needed for', 'mend with'], results.map(r => [r.name, r.found ?? 'missing', r.neededFor, r.mend ?? '']))}\n`)
    process.exitCode = results.some(r => r.required && r.found === null) ? EXIT.badInput : EXIT.done
  },
})
