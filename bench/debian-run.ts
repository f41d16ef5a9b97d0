/**
 * One measured process: a Debian kernel on the machine. Arguments: kernel, initramfs, profile, command line, where to stop ('' = at power-off),
 * translate (on, off). Prints one JSON line: CPU seconds of the process and of its main thread alone, instructions, what the translator did.
 */
import { readFileSync } from 'node:fs'
import type { ProfileName } from '../src/arch/features.ts'
import { createMachine } from '../src/machine/machine.ts'
import { mainThreadSeconds } from './process-time.ts'

const [kernel = '', initrd = '', profile = 'v8.0', bootargs = '', until = '', translate = 'on'] = process.argv.slice(2)
let text = ''
const machine = createMachine({
  board: 'virt', smp: 1, memBytes: 2 ** 30, profile: profile as ProfileName, hash: false, translate: translate === 'on',
  console: byte => { text += String.fromCharCode(byte) },
})
machine.loadImage({ image: readFileSync(kernel), initrd: readFileSync(initrd), bootargs })
const outcome = machine.run({ ...(until === '' ? {} : { until }), maxInstructions: 1e12 })
if (outcome.kind !== 'until' && outcome.kind !== 'off') throw new Error(`ended with ${outcome.kind}\n${text}`)
// Pages that have been written; all of RAM is there, but the host has given memory to these only.
const touched = machine.cpu.engine.takeDirtyPages().length
const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
process.stdout.write(JSON.stringify({
  cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, mainSeconds: mainThreadSeconds(), instructions: machine.instructions, megabytes: Math.round(maxRSS / 1024), touchedMegabytes: Math.round(touched / 256),
  translation: machine.cpu.engine.translation, output: text,
}))
