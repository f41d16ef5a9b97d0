/**
 * Linux as the guest hypervisor against QEMU's system emulator that runs Debian 7.x as L0 (`-cpu max`, kvm-arm.mode=nested): `npm run bench -- nested`.
 * Both run the same L1 and L2 images, and L1 and L2 have one vCPU. CPU seconds of the whole process up to the mark on the console, start included.
 *
 *   l1         L1 (6.12, with EL2) in a VM of L0, to its shell: L0's own boot is in QEMU's figure, as it is in ours
 *   l2         L2 (6.12) under L1 (6.12), to its shell
 *   hypercall  microseconds of CPU time of one hypercall of L2 that Linux L1 handles, within one run
 */
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { unwrapImage } from '../src/arch/image/compressed.ts'
import { debianImage } from '../src/cli/debian/image.ts'
import { BOOT_MARK } from '../src/cli/debian/init.ts'
import { decompress } from '../src/cli/decompress.ts'
import { loadGuests, loadVmm } from '../src/cli/guest-images.ts'
import { vmmInitramfs } from '../src/lab/linux.ts'
import { geometricMean } from './result.ts'
import type { BenchResult, BenchRow } from './result.ts'

const nidus = fileURLToPath(new URL('../bin/nidus.js', import.meta.url))
const L0 = '7', L1 = '6.12', QUIET = 'quiet cryptomgr.notests'
const TICKS_PER_SECOND = 100
const PATIENCE_MS = 60 * 60_000
const BEFORE = 'timer interrupts', AFTER = 'bench: hypercall'

/** CPU seconds of a process, all its threads. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** CPU seconds when each of the marks came; the process is ended after the last. Undefined: it ended before, or took too long. */
function cpuAt(command: string, args: readonly string[], marks: readonly string[]): Promise<readonly number[] | undefined> {
  return new Promise(resolve => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] }), times: number[] = []
    let printed = ''
    const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      printed += text
      for (let at; times.length < marks.length && (at = printed.indexOf(marks[times.length]!)) >= 0;) {
        printed = printed.slice(at + marks[times.length]!.length)
        times.push(cpuOf(child.pid!))
      }
      if (times.length === marks.length) child.kill('SIGKILL')
    })
    child.on('close', () => {
      clearTimeout(timer)
      resolve(times.length === marks.length ? times : undefined)
    })
    child.on('error', () => resolve(undefined))
  })
}

export async function nestedBench(operations: number): Promise<BenchResult> {
  const folder = mkdtempSync(join(tmpdir(), 'nidus-bench-'))
  const file = (name: string, bytes: Uint8Array): string => {
    writeFileSync(join(folder, name), bytes)
    return join(folder, name)
  }
  const kernel = async (name: string): Promise<{ image: Uint8Array, initrd: Uint8Array }> => {
    const { image, initrd } = await debianImage(`debian:${name}`)
    return { image: await unwrapImage(image, decompress), initrd }
  }
  try {
    const l0 = await kernel(L0), l1 = await kernel(L1), vmm = loadVmm(), haveQemu = spawnSync('qemu-system-aarch64', ['--version']).status === 0
    const append = (words: string): string => words.split(' ').map(word => `append=${word}`).join(' ')
    const image = file('l1', l1.image), l0Image = file('l0', l0.image)
    /** L1 with this initramfs and command line; in QEMU as the VM of a Debian L0. */
    const run = async (name: string, initrd: Uint8Array, bootargs: string, marks: readonly string[]): Promise<{ ours: readonly number[] | undefined, theirs: readonly number[] | undefined }> => {
      process.stderr.write(`bench nested: ${name}\n`)
      const ours = await cpuAt(process.execPath, ['--no-warnings', nidus, 'run', image, '--on', 'vm', '--el2', '--arch', 'v8.4', '--mem', '1G', '--initrd', file(`${name}.initrd`, initrd), '--append', bootargs], marks)
      if (!haveQemu) return { ours, theirs: undefined }
      const below = vmmInitramfs(vmm, { kernel: l1.image, initrd })
      const theirs = await cpuAt('qemu-system-aarch64', [
        '-M', 'virt,virtualization=on,gic-version=3', '-cpu', 'max', '-accel', 'tcg', '-smp', '1', '-m', '2048', '-nographic', '-no-reboot', '-nodefaults', '-serial', 'stdio', '-monitor', 'none', '-nic', 'none',
        '-kernel', l0Image, '-initrd', file(`${name}.l0-initrd`, below), '-append', `console=ttyAMA0 ${QUIET} kvm-arm.mode=nested -- el2 memory=1024 initrd=/initrd ${append(bootargs)}`,
      ], marks)
      return { ours, theirs }
    }
    const row = (name: string, ours: number | undefined, theirs: number | undefined, more: Record<string, string | number | null> = {}): BenchRow => {
      if (ours === undefined) throw new Error(`bench nested: ${name} did not reach its mark`)
      return { name, nidusCpuS: ours, qemuCpuS: theirs ?? null, ratio: theirs === undefined ? null : ours / theirs, spread: 0, ...more }
    }
    const rows: BenchRow[] = []
    const first = await run('l1', l1.initrd, `${QUIET} do=boot`, [BOOT_MARK])
    rows.push(row('l1', first.ours?.[0], first.theirs?.[0]))
    const second = await run('l2', vmmInitramfs(vmm, { kernel: l1.image, initrd: l1.initrd }), `${QUIET} -- memory=256 initrd=/initrd ${append(`${QUIET} do=boot`)}`, [BOOT_MARK])
    rows.push(row('l2', second.ours?.[0], second.theirs?.[0]))
    const third = await run('hypercall', vmmInitramfs(vmm, { kernel: loadGuests().benchImage }), `${QUIET} -- ${append(`only=hypercall ops=${operations}`)}`, [BEFORE, AFTER])
    const each = (times: readonly number[] | undefined): number | undefined => times === undefined ? undefined : (times[1]! - times[0]!) / operations
    rows.push(row('hypercall', each(third.ours), each(third.theirs), { operations }))
    return { what: 'nested', rows, ratio: geometricMean(rows) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
