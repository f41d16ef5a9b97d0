/**
 * A whole Debian: nidus rootfs makes the image, systemd boots from it to a login, and programs of Debian's run with checked output.
 *
 *   npm run suite -- userland [--suite trixie,bookworm] [--kernel 6.12] [--only python3,sqlite3,...] [--arch v8.4] [--smp 1] [--base] [--log FOLDER]
 *
 * `--base`: the image without more packages, and the checks that need none. Exit status 1 if something is not as it should be. docs/userland.md has the last measurement.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { cacheFolder } from '../src/cli/debian/cache.ts'
import { parseSuite, rootImage } from '../src/cli/debian/root-store.ts'
import { Dialogue } from './userland/dialogue.ts'
import { BASE_CHECKS, CHECKS, PACKAGES } from './userland/checks.ts'

const { values } = parseArgs({
  options: {
    suite: { type: 'string', default: 'trixie' }, kernel: { type: 'string', default: '6.12' }, only: { type: 'string' }, arch: { type: 'string', default: 'v8.4' }, smp: { type: 'string', default: '1' },
    base: { type: 'boolean', default: false }, log: { type: 'string' },
  },
})
/** Host seconds for one check on a busy machine. */
const PATIENCE = 1800

async function play(suite: string): Promise<readonly string[]> {
  const said = (text: string): void => { process.stderr.write(`${suite}: ${text}\n`) }
  const { path, manifest } = await rootImage({ suite: parseSuite(`debian:${suite}`), include: values.base ? [] : PACKAGES, bytes: 2 ** 31 }, { cache: cacheFolder(), progress: values.log === undefined ? () => {} : said })
  said(`${manifest.packages.length} packages, configured in ${(manifest.instructions / 1e9).toFixed(1)} G instructions`)
  const child = spawn(process.execPath, [
    '--no-warnings', join(import.meta.dirname, '..', 'bin', 'nidus.js'), 'run', `debian:${values.kernel}`, '--arch', values.arch, '--smp', values.smp, '--mem', '1G', '--drive', `${path},overlay`, '--rng', '1', '--append', 'root=/dev/vda', '--json',
  ], { stdio: ['pipe', 'pipe', 'pipe'] })
  const console = new Dialogue(child, PATIENCE * 1000), wrong: string[] = []
  try {
    await console.until(/login: $/)
    console.type('root\r')
    await console.until(/# $/)
    // No echo and no line editor: only what commands print comes back.
    console.type("stty -echo; exec dash\r")
    await console.until(/# $/)
    console.type("PS1=; PS2=; PATH=/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C; PAGER=cat; export PATH LC_ALL PAGER; cd /root; echo RE''ADY\r")
    await console.until(/READY\r\n$/)
    const checks = values.base ? BASE_CHECKS : CHECKS, wanted = values.only?.split(',')
    for (const { name, command, output } of checks.filter(check => wanted === undefined || wanted.includes(check.name))) {
      console.type(`{ ${command}; } 2>&1; echo END''-${name}\r`)
      const found = (await console.until(new RegExp(`END-${name}\r\n$`))).replace(`END-${name}`, '').replaceAll('\r', '').trim()
      const right = typeof output === 'string' ? found === output : output.test(found)
      said(`${right ? 'ok      ' : 'FAILED  '}${name}`)
      if (!right) wrong.push(`${name}: '${found.slice(-600)}' instead of ${typeof output === 'string' ? `'${output}'` : output}`)
    }
    console.type('systemctl poweroff\r')
    const { status, errors } = await console.ended()
    if (status !== 0) wrong.push(`exit status ${status}: ${errors}`)
    const report = JSON.parse(/^\{"exit".*$/m.exec(errors)?.[0] ?? '{}') as { guestInstructions?: number, hostCpuMs?: number }
    said(`${((report.guestInstructions ?? 0) / 1e9).toFixed(1)} G instructions, ${((report.hostCpuMs ?? 0) / 1000).toFixed(0)} CPU s`)
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error))
  } finally { child.kill() }
  for (const [trouble] of console.text.matchAll(/(WARNING: CPU|BUG:|Oops|Call trace:|Illegal instruction|Segmentation fault|\[FAILED\]|Failed to start|undefined instruction).*/gi)) wrong.push(trouble)
  if (values.log !== undefined) {
    mkdirSync(values.log, { recursive: true })
    writeFileSync(join(values.log, `userland-${suite}.log`), console.text)
  }
  return wrong
}

for (const suite of values.suite.split(',')) {
  const wrong = await play(suite)
  process.stdout.write(`debian:${suite} on ${values.kernel}, ${values.arch}: ${wrong.length === 0 ? 'ok' : `\n  ${wrong.join('\n  ')}`}\n`)
  if (wrong.length > 0) process.exitCode = 1
}
