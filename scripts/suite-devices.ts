/**
 * Devices under Debian's kernels: node scripts/suite-devices.ts [--kernel 6.12-full] [--on machine,vm] [--bus mmio,pci] [--log FOLDER]
 *
 * Boots the kernel with two disks, a share, a network card and an entropy source; the guest runs `do=devices` (src/cli/debian/device-list.ts), and what
 * it prints and leaves behind on the host is checked. Exits with 1 when something is wrong.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { kernel: { type: 'string', default: '6.12-full' }, on: { type: 'string', default: 'machine,vm' }, bus: { type: 'string', default: 'mmio' }, log: { type: 'string' } } })
const PATIENCE = 300
const md5 = (bytes: Uint8Array | string): string => createHash('md5').update(bytes).digest('hex')
const seq = (last: number): string => Array.from({ length: last }, (_, i) => `${i + 1}\n`).join('')
/** The same bytes every time. */
const noise = (length: number): Uint8Array => {
  let state = 1
  return Uint8Array.from({ length }, () => (state = Math.imul(state, 1_664_525) + 1_013_904_223 | 0) >>> 24)
}

async function run(kernel: string, on: string, bus: string): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'nidus-devices-')), share = join(folder, 'share'), served = noise(1_500_000), given = noise(300_000), disk = noise(4 << 20)
  mkdirSync(share)
  writeFileSync(join(share, 'given'), given)
  writeFileSync(join(folder, 'secret'), 'secret')
  symlinkSync('../secret', join(share, 'out'))
  writeFileSync(join(folder, 'a.img'), disk)
  writeFileSync(join(folder, 'b.img'), new Uint8Array(16 << 20))
  const server = createServer((_, response) => { response.end(served) })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo, forwarded = 20_000 + (process.pid % 20_000), suffix = bus === 'pci' ? ',pci' : ''
  const child = spawn(process.execPath, [
    '--no-warnings', join(import.meta.dirname, '..', 'bin', 'nidus.js'), 'run', `debian:${kernel}`, '--on', on, '--drive', `${join(folder, 'a.img')},ro${suffix}`, '--drive', `${join(folder, 'b.img')}${suffix}`,
    '--share', `${share}${suffix}`, '--net', `user,hostfwd=tcp::${forwarded}-:80${suffix}`, '--rng', '1', '--append', `do=devices port=${port} serve`, '--timeout', String(PATIENCE),
  ], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = '', errors = '', web: Promise<string> | undefined
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    output += text
    if (web === undefined && output.includes('SERVING')) {
      web = fetch(`http://127.0.0.1:${forwarded}/served`).then(async answer => md5(await answer.text()), (error: unknown) => String(error))
      void web.finally(() => { writeFileSync(join(share, 'done'), '') })
    }
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  const status = await new Promise<number | null>(resolve => { child.once('close', resolve) })
  server.close()
  server.closeAllConnections()
  const wrong: string[] = []
  const expect = (name: string, value: string | undefined, wanted: string): void => { if (value !== wanted) wrong.push(`${name}: ${value === undefined ? 'nothing' : `'${value}'`} instead of '${wanted}'`) }
  const said = new Map([...output.matchAll(/^CHECK ([\w-]+): ?(.*?)\r?$/gm)].map(([, name, value]) => [name!, value!]))
  expect('exit status', String(status), '0')
  if (errors !== '') wrong.push(`stderr: ${errors.trim()}`)
  expect('disk-read', said.get('disk-read'), `${md5(disk)} -`)
  expect('disk-read-only', said.get('disk-read-only'), '1')
  expect('disk-write', said.get('disk-write'), `${md5(seq(100_000))} -`)
  expect('ext4', said.get('ext4'), `${md5(seq(50_000))} -`)
  expect('random', said.get('random'), '64')
  expect('share-read', said.get('share-read'), `${md5(given)} -`)
  expect('share-write', said.get('share-write'), `${md5(seq(30_000))} -`)
  expect('share-leave', said.get('share-leave'), "cat: can't open '/share/out': No such file or directory ln: /share/escape: Permission denied folder given out")
  expect('dhcp', said.get('dhcp'), 'inet 10.0.2.15/24')
  expect('gateway', said.get('gateway'), '2 packets received')
  expect('web', said.get('web'), `${md5(served)} -`)
  expect('refused', said.get('refused'), 'refused')
  expect('forwarded port', await web, md5(seq(200_000)))
  if (!output.includes('DEVICES-END')) wrong.push('the list did not reach its end')
  for (const [trouble] of output.matchAll(/(WARNING: CPU|BUG:|Oops|I\/O error|Call trace:).*/g)) wrong.push(trouble)
  if (Buffer.compare(readFileSync(join(folder, 'a.img')), disk) !== 0) wrong.push('the read-only disk has changed')
  if (!readFileSync(join(folder, 'b.img')).includes(seq(1000))) wrong.push('the disk has not what was written')
  try { expect('the file in the share', md5(readFileSync(join(share, 'folder/kept'))), md5(seq(30_000))) } catch { wrong.push('the share has no folder/kept') }
  if (values.log !== undefined) {
    mkdirSync(values.log, { recursive: true })
    writeFileSync(join(values.log, `${kernel}_${on}_${bus}.log`), output + errors)
  }
  rmSync(folder, { recursive: true })
  return wrong
}

let bad = 0
for (const kernel of values.kernel.split(',')) {
  for (const on of values.on.split(',')) {
    for (const bus of values.bus.split(',')) {
      const wrong = await run(kernel, on, bus)
      if (wrong.length > 0) bad++
      process.stdout.write(`debian:${kernel} --on ${on}, ${bus}: ${wrong.length === 0 ? 'ok' : `\n  ${wrong.join('\n  ')}`}\n`)
    }
  }
}
process.exit(bad === 0 ? 0 : 1)
