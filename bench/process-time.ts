/** CPU time as Linux accounts it; /proc gives it to the nanosecond and for children that have been waited for. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** CPU seconds of this process's main thread: without background compilation and garbage collection. */
export const mainThreadSeconds = (): number => Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ')[0]) / 1e9

/** User and system time of children that have ended, in seconds (to 10 ms). */
export function childrenSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ')[1]!.split(' ')
  return (Number(fields[13]) + Number(fields[14])) / 100
}

export const haveQemu = (): boolean => spawnSync('qemu-system-aarch64', ['--version']).status === 0

/** Compiled sources are kept, as bin/nidus.js does. */
export const NODE_ENVIRONMENT: NodeJS.ProcessEnv = { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') }
