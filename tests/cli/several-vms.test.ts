/** `--and`: VMs side by side, their consoles, exit codes and bad input; `nidus stat`. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { encode } from '../../src/isa/encode.ts'
import { rowByName } from '../../src/sysreg/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'nidus-vms-'))
afterAll(() => { rmSync(folder, { recursive: true }) })
const nidus = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', 'bin/nidus.js', ...args], { encoding: 'utf8', input: '', timeout: 60_000 })
  return { status, stdout, stderr }
}
const bench = 'guests/built/bench', quick = 'ops=4 warm=2'
const nest = ['guests/built/mini-kvm-vhe', '--el2', '--smp', '2', '--initrd', bench, '--append', `vcpus=2 -- ${quick}`]
/** An Image that turns itself off without a word, and one whose exception vector is nowhere. */
const image = (name: string, words: readonly number[]): string => {
  const bytes = new Uint8Array(0x1000), view = new DataView(bytes.buffer)
  view.setUint32(0, encode('B', { imm26: 16 }), true)
  view.setBigUint64(16, 0x1000n, true)
  view.setUint32(56, 0x644d5241, true)
  words.forEach((word, i) => { view.setUint32(64 + 4 * i, word, true) })
  const path = join(folder, name)
  writeFileSync(path, bytes)
  return path
}
const off = image('off', [encode('MOVZ', { sf: 1, hw: 1, imm16: 0x8400, Rd: 0 }), encode('ADD (immediate)', { sf: 1, sh: 0, imm12: 8, Rn: 0, Rd: 0 }), encode('HVC', { imm16: 0 })])
const msr = (name: string, Rt: number): number => (0xd510_0000 | (rowByName(name)!.key << 5) | Rt) >>> 0
/** MMU on with tables of zeros: nothing can be fetched any more, and the vector neither. */
const dies = image('dies', [encode('MOVZ', { sf: 1, hw: 1, imm16: 0x4100, Rd: 1 }), msr('TTBR0_EL1', 1), encode('MOVZ', { sf: 1, hw: 0, imm16: 1, Rd: 0 }), msr('SCTLR_EL1', 0), encode('B', { imm26: 0 })])

describe('nidus run --and', { timeout: 120_000 }, () => {
  test('a nest beside a plain VM: both consoles by line, each line whole', () => {
    const { status, stdout } = nidus('run', '--on', 'vm', bench, '--smp', '2', '--append', quick, '--mem', '64M', '--and', ...nest, '--mem', '128M')
    expect(status).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines.filter(line => !/^vm[01]\| /.test(line))).toEqual([])
    expect(lines).toContain('vm0| bench: done')
    expect(lines).toContain('vm1| bench: done')
    expect(lines).toContain('vm1| mini-kvm: done')
  })

  test('--console FILE takes the bytes of one VM away from stdout', () => {
    const file = join(folder, 'console.txt')
    const { status, stdout } = nidus('run', '--on', 'vm', off, '--mem', '32M', '--and', bench, '--append', quick, '--mem', '64M', '--console', file)
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
    expect(readFileSync(file, 'utf8')).toMatch(/^bench: .*\r?\n/)
    expect(readFileSync(file, 'utf8')).toContain('bench: done')
  })

  test('the worst exit code counts, with the VM named; --until ends when every VM that has one has printed it', () => {
    const failed = nidus('run', '--on', 'vm', bench, '--append', quick, '--mem', '64M', '--and', off, '--mem', '32M', '--until', 'never')
    expect(failed.status).toBe(1)
    expect(failed.stderr).toContain("vm1: the guest ended without printing 'never'")
    const died = nidus('run', '--on', 'vm', dies, '--mem', '32M', '--and', off, '--mem', '32M', '--until', 'never')
    expect(died.status).toBe(3)
    expect(died.stderr).toMatch(/vm0: the VM died: vCPU 0: the exception vector/)
    const reached = nidus('run', '--on', 'vm', bench, '--append', 'ops=100000000', '--mem', '64M', '--and', bench, '--append', quick, '--mem', '64M', '--until', 'hypercall:')
    expect(reached.status).toBe(0)
    expect(reached.stdout).toMatch(/vm1\| bench: hypercall:$/m)
  })

  test.each([
    ['two images on the bare machine', [bench, '--and', bench], /--and: several images need --on vm/],
    ['no image behind --and', ['--on', 'vm', bench, '--and'], /--and: /],
    ['an option of the machine behind --and', ['--on', 'vm', bench, '--and', bench, '--arch', 'v8.3'], /--and: .*--arch.*an image and its own options/],
    ['a bad value behind --and', ['--on', 'vm', bench, '--and', bench, '--mem', '7x'], /--mem: '7x' is not a size/],
    ['EL2 without FEAT_NV behind --and', ['--on', 'vm', '--arch', 'v8.0', bench, '--and', bench, '--el2'], /--el2: /],
    ['more memory than there is', ['--on', 'vm', bench, '--mem', '2G', '--and', bench, '--mem', '2G'], /the VMs together/],
    ['a console that cannot be written', ['--on', 'vm', bench, '--console', join(folder, 'no', 'such')], /--console: .*cannot be written/],
  ] as const)('exit code 2 and one line: %s', (_, args, message) => {
    const { status, stdout, stderr } = nidus('run', ...args)
    expect(stderr).toMatch(message)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
  })
})

describe('nidus stat', { timeout: 120_000 }, () => {
  const run = (...more: string[]) => nidus('stat', ...nest, '--on', 'vm', '--arch', 'v8.3', '--mem', '64M', ...more)

  test('tables by level; the numbers of --json are theirs', () => {
    const { status, stderr } = run()
    expect(status).toBe(0)
    expect(stderr).toMatch(/^vEL2 \(guest hypervisor at virtual EL2\): [\d,]+ exits, [\d,]+ cycles/m)
    expect(stderr).toMatch(/^L2 \(nested VM\): /m)
    expect(stderr).toMatch(/^exit +class +samples +samples% +time% +min +max +avg +until resumed +host ms$/m)
    const shown = Number(/^HCR_EL2 write +SYS64 +([\d,]+)/m.exec(stderr)![1]!.replaceAll(',', ''))
    const report = JSON.parse(run('--json').stderr.trimEnd().split('\n').at(-1)!) as { readonly exit: number, readonly exits: readonly { readonly level: string, readonly vcpu: number, readonly reason: string, readonly count: number, readonly cycles: number, readonly min: number, readonly max: number, readonly hostMs: number, readonly resumed: number, readonly resumedCycles: number }[] }
    expect(report.exit).toBe(0)
    const writes = report.exits.filter(row => row.reason === 'HCR_EL2 write')
    expect(writes.map(({ vcpu }) => vcpu).sort()).toEqual([0, 1])
    expect(writes.reduce((sum, { count }) => sum + count, 0)).toBe(shown)
    for (const row of report.exits) {
      expect(row.min * row.count, row.reason).toBeLessThanOrEqual(row.cycles)
      expect(row.max * row.count, row.reason).toBeGreaterThanOrEqual(row.cycles)
      expect(row.hostMs, row.reason).toBeGreaterThanOrEqual(0)
    }
    // A hypercall of the nested VM is resumed only after L1's many exits.
    const hypercall = report.exits.find(row => row.level === 'L2' && row.reason === 'HVC' && row.vcpu === 0)!
    expect(hypercall.resumedCycles / hypercall.resumed).toBeGreaterThan(20 * hypercall.cycles / hypercall.count)
  })

  test('--level, --vcpu, --by and --top choose', () => {
    const { stderr } = run('--level', 'L2', '--by', 'vcpu', '--vcpu', '1', '--top', '2')
    expect(stderr).toMatch(/^L2, VM 0, vCPU 1 \(nested VM\)/m)
    expect(stderr).not.toMatch(/^vEL2|vCPU 0/m)
    expect(stderr).toMatch(/^\.\.\. and \d+ more$/m)
    expect(run('--level', 'L9')).toMatchObject({ status: 2, stdout: '' })
  })
})
