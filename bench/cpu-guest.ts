/** One measured process of bench/cpu.ts: runs a yard program under the engine alone, MMU off. Arguments: image, rounds. Prints one JSON line. */
import { readFileSync } from 'node:fs'
import { createFlat } from '../src/engine/testing/flat.ts'

/** Where QEMU's virt board puts a raw kernel image. */
const LOAD_ADDRESS = 0x4008_0000
const ROUNDS_OFFSET = 8

const [image = '', rounds = '50'] = process.argv.slice(2)
const flat = createFlat({ ramSize: 16 << 20 })
const { engine } = flat
engine.ram.copyIn(LOAD_ADDRESS, readFileSync(image))
engine.ram.write64(LOAD_ADDRESS + ROUNDS_OFFSET, BigInt(rounds))
engine.state.pc = BigInt(LOAD_ADDRESS)
let ended = false
flat.onRequest = request => {
  if (request.kind !== 'exception') throw new Error(`${request.kind} at ${engine.state.pc.toString(16)}`)
  ended = true
  engine.limit(0)
}
const start = performance.now()
while (!ended) engine.run(100_000_000)
const seconds = (performance.now() - start) / 1000
const usage = process.resourceUsage()
console.log(JSON.stringify({
  instructions: engine.instructions(0), checksum: engine.state.x(1).toString(16), seconds,
  cpuSeconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
}))
