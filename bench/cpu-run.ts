/** One measured process of bench/cpu.ts: a yard Image on the bare machine. Arguments: image with row and rounds in it, translate (on, off). Prints one JSON line. */
import { readFileSync } from 'node:fs'
import { createMachine } from '../src/machine/machine.ts'
import { mainThreadSeconds } from './process-time.ts'

const [image = '', translate = 'on'] = process.argv.slice(2)
const machine = createMachine({ board: 'virt', smp: 1, memBytes: 64 * 2 ** 20, profile: 'v8.0', hash: false, translate: translate === 'on' })
machine.loadImage({ image: readFileSync(image) })
const outcome = machine.run({ maxInstructions: 1e12 })
if (outcome.kind !== 'off') throw new Error(`ended with ${outcome.kind}`)
const { userCPUTime, systemCPUTime } = process.resourceUsage()
machine.cpu.core.switchTo(machine.cpu.pes[0]!)
process.stdout.write(JSON.stringify({
  cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, mainSeconds: mainThreadSeconds(), instructions: machine.instructions,
  checksum: machine.cpu.engine.state.x(1).toString(16).padStart(16, '0'), translation: machine.cpu.engine.translation,
}))
