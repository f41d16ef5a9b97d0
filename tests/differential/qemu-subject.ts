/** qemu-aarch64 (user mode) as a test subject: one process per batch. */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseRecords, qemuProgram } from './qemu-program.ts'
import type { Subject } from './subject.ts'

const QEMU = 'qemu-aarch64'

/** First line of the emulator's version, or undefined where it is not installed. */
export function qemuVersion(): string | undefined {
  try {
    return execFileSync(QEMU, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).split('\n')[0]
  } catch {
    return undefined
  }
}

export const qemuSubject: Subject = {
  name: 'qemu-aarch64 -cpu max',
  run(cases) {
    const directory = mkdtempSync(join(tmpdir(), 'nidus-differential-'))
    try {
      const file = join(directory, 'cases')
      writeFileSync(file, qemuProgram(cases))
      chmodSync(file, 0o755)
      // The seed fixes the pointer authentication keys that the process gets.
      const output = execFileSync(QEMU, ['-seed', '1', '-cpu', 'max', file], { maxBuffer: 1 << 30, stdio: ['ignore', 'pipe', 'inherit'] })
      return parseRecords(new Uint8Array(output), cases.length)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  },
}
