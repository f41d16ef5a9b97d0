/** npm run bench -- boot|cpu|nested|profile|restore|switch [--json] [--repeat N] [--size N]: one line of progress on stderr, rows on stdout. */
import { parseArgs } from 'node:util'
import { bootBench } from './boot.ts'
import { cpuBench } from './cpu.ts'
import { nestedBench } from './nested.ts'
import { profileBench } from './profile.ts'
import { restoreBench } from './restore.ts'
import type { BenchResult } from './result.ts'
import { switchBench } from './switch.ts'

const BENCHES: Readonly<Record<string, (size: number | undefined, repeat: number) => BenchResult | Promise<BenchResult>>> = {
  boot: (_, repeat) => bootBench(repeat),
  cpu: (size, repeat) => cpuBench(size ?? 100, repeat),
  /** One run; `size` hypercalls. */
  nested: size => nestedBench(size ?? 5_000),
  profile: () => profileBench(),
  restore: (_, repeat) => restoreBench(repeat),
  switch: (size, repeat) => switchBench(size ?? 20_000, repeat),
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { json: { type: 'boolean' }, repeat: { type: 'string', default: '3' }, size: { type: 'string' } } })
const what = positionals[0] ?? '', bench = BENCHES[what]
const repeat = Number(values.repeat), size = values.size === undefined ? undefined : Number(values.size)
if (bench === undefined || !(repeat >= 1) || (size !== undefined && !(size >= 1))) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(BENCHES).join('|')} [--json] [--repeat N] [--size N]\n`)
  process.exit(2)
}
const result = await bench(size, repeat)
if (values.json === true) process.stdout.write(`${JSON.stringify(result)}\n`)
else for (const row of result.rows) process.stdout.write(`${Object.entries(row).map(([name, value]) => `${name}=${typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(3) : value}`).join('  ')}\n`)
