/** One process of `npm run bench -- restore`: a machine that has written MEGABYTES of its RAM is forked. */
import { RAM_BASE } from '../src/arch/board.ts'
import { createMachine } from '../src/machine/machine.ts'

const MEGABYTE = 2 ** 20, bytes = Number(process.argv[2] ?? '64') * MEGABYTE
const machine = createMachine({ memBytes: 2 * bytes })
machine.memory.fill(RAM_BASE, bytes, 0x5a)
const before = process.cpuUsage(), start = performance.now()
const other = machine.fork()
const wall = (performance.now() - start) / 1000, { user, system } = process.cpuUsage(before)
if (other.traceHash() !== machine.traceHash()) throw new Error('the fork is another machine')
process.stdout.write(JSON.stringify({ cpu: (user + system) / 1e6, wall }))
