/** One process of `npm run bench -- switch`: the hypercall loop of a nested VM on v8.3, nVHE, GICv2, counting and charging on. */
import { readFileSync } from 'node:fs'
import { packageFile } from '../src/cli/package-files.ts'
import { neve2017 } from '../src/lab/cost-models.ts'
import { createMachine } from '../src/machine/machine.ts'
import { createL0 } from '../src/vmm/index.ts'

const [policy = 'lazy', operations = '8000'] = process.argv.slice(2)
const built = (name: string): Uint8Array => readFileSync(packageFile(`guests/built/${name}`))

const machine = createMachine({
  board: 'moonshot', gic: 2, smp: 2, memBytes: 192 * 2 ** 20, profile: 'v8.3', costs: neve2017, hash: false,
  l0: createL0({
    policy: policy === 'split' ? 'split' : 'lazy',
    vms: [{ image: built('mini-kvm-nvhe.elf'), initrd: built('bench'), memBytes: 128 * 2 ** 20, smp: 1, gic: 2, el2: 'nvhe', append: `vcpus=1 -- quiet=1 only=hypercall ops=${operations} warm=1` }],
  }),
})
const outcome = machine.run()
const { user, system } = process.cpuUsage()
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
const traps = sum(machine.cpu.pes.map(({ counters }) => sum(counters.syncToEL2) + counters.irq[2]!))
if (outcome.kind !== 'off') throw new Error(`ended with ${outcome.kind}`)
process.stdout.write(JSON.stringify({ traps, instructions: machine.instructions, cpuSeconds: (user + system) / 1e6 }))
