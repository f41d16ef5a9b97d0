/** qemu-system-aarch64 as the other side of a lockstep run: a child process with one CPU, spoken to over the GDB protocol. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { BadInput } from '../../arch/bad-input.ts'
import { littleEndian } from '../../debug/gdb/packet.ts'
import { createStepState } from '../../debug/lockstep/stepper.ts'
import type { StepState, Stepper } from '../../debug/lockstep/stepper.ts'
import { GdbClient } from './gdb-client.ts'

export interface QemuOptions {
  /** As QEMU names it, with its options: `cortex-a57`. */
  readonly cpu: string
  readonly gic: 2 | 3
  readonly el2: boolean
  readonly megabytes: number
  readonly arguments?: readonly string[]
  /** They are delivered while stepping (the default). Timers stand still in any case. */
  readonly interrupts?: boolean
}

/** Bytes per packet that QEMU takes: 4,096 characters. */
const CHUNK = 1920
const PATIENCE_MS = 20_000
const STUCK_MS = 5_000
/** For running to where a comparison begins. */
const FREE_MS = 120_000

/** What QEMU means by a step. */
const SSTEP = { ENABLE: 1, NOIRQ: 2, NOTIMER: 4 } as const
const REGISTER_PC = 32, REGISTER_CPSR = 33

export class Qemu implements Stepper {
  readonly name = 'qemu'
  readonly #process: ChildProcess
  readonly #client: GdbClient
  readonly #folder: string
  readonly #state = createStepState()
  readonly #raw = Buffer.alloc(268)

  private constructor(process: ChildProcess, client: GdbClient, folder: string) {
    this.#process = process
    this.#client = client
    this.#folder = folder
  }

  /** Throws BadInput when QEMU is not there or refuses its options. */
  static async start({ cpu, gic, el2, megabytes, arguments: more = [], interrupts = true }: QemuOptions): Promise<Qemu> {
    const folder = mkdtempSync(join(tmpdir(), 'nidus-lockstep-')), socket = join(folder, 'gdb')
    const child = spawn('qemu-system-aarch64', [
      '-M', `virt,virtualization=${el2 ? 'on' : 'off'},gic-version=${gic}`, '-cpu', cpu, '-m', `${megabytes}M`, '-nodefaults', '-display', 'none', '-serial', 'null', '-monitor', 'none', '-S', '-gdb', `unix:${socket},server=on,wait=off`, ...more,
    ], { stdio: ['ignore', 'ignore', 'pipe'] })
    let complaint = '', ended = false, missing = false
    child.stderr!.setEncoding('utf8').on('data', (text: string) => { complaint += text })
    child.once('error', (error: NodeJS.ErrnoException) => {
      ended = true
      missing = error.code === 'ENOENT'
      complaint = error.message
    })
    child.once('exit', () => { ended = true })
    for (const from = Date.now(); ;) {
      try {
        const client = await GdbClient.connect(socket)
        const qemu = new Qemu(child, client, folder)
        client.complaint = () => complaint.trim()
        await qemu.#expect(`Qqemu.sstep=${SSTEP.ENABLE | SSTEP.NOTIMER | (interrupts ? 0 : SSTEP.NOIRQ)}`)
        await qemu.#expect('Qqemu.PhyMemMode:1')
        return qemu
      } catch {
        if (ended || Date.now() - from > PATIENCE_MS) {
          child.kill()
          rmSync(folder, { recursive: true, force: true })
          throw new BadInput('qemu-system-aarch64', missing ? 'is not installed; apt-get install qemu-system-arm (version 10 or newer), or scripts/install-oracles.sh as root' : complaint.trim() || 'does not answer')
        }
        await sleep(20)
      }
    }
  }

  async #expect(text: string): Promise<void> {
    const answer = await this.#client.request(text)
    if (answer !== 'OK') throw new Error(`QEMU answers ${JSON.stringify(answer)} to ${text.slice(0, 40)}`)
  }

  /** All devices and CPUs as after power-on; RAM keeps its content. */
  async reset(): Promise<void> { await this.#expect(`qRcmd,${Buffer.from('system_reset').toString('hex')}`) }

  /** Physical memory. */
  async write(address: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK) {
      const chunk = bytes.subarray(at, at + CHUNK)
      await this.#expect(`M${(address + at).toString(16)},${chunk.length.toString(16)}:${Buffer.from(chunk).toString('hex')}`)
    }
  }

  async read(address: number, length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    for (let at = 0; at < length; at += CHUNK) {
      const answer = await this.#client.request(`m${(address + at).toString(16)},${Math.min(CHUNK, length - at).toString(16)}`)
      if (answer.startsWith('E')) throw new Error(`QEMU cannot read 0x${(address + at).toString(16)}`)
      parts.push(Buffer.from(answer, 'hex'))
    }
    return Buffer.concat(parts)
  }

  /** A CPU that sleeps, or loops, is stopped after a while: the state shows where. */
  async #go(request: string, patience = STUCK_MS): Promise<void> {
    const timer = setTimeout(() => this.#client.interrupt(), patience)
    await this.#client.request(request)
    clearTimeout(timer)
  }

  async setPc(value: bigint): Promise<void> { await this.#expect(`P${REGISTER_PC.toString(16)}=${littleEndian(value, 8)}`) }
  async setX(n: number, value: bigint): Promise<void> { await this.#expect(`P${n.toString(16)}=${littleEndian(value, 8)}`) }

  /** The EL must be the one it is in. */
  async setPstate(value: number): Promise<void> { await this.#expect(`P${REGISTER_CPSR.toString(16)}=${littleEndian(BigInt(value >>> 0), 4)}`) }

  /** Runs until the instruction at `address` is the next one. */
  async runTo(address: bigint, patience = STUCK_MS): Promise<void> {
    const where = `0,${address.toString(16)},4`
    await this.#expect(`Z${where}`)
    await this.#go('c', patience)
    await this.#expect(`z${where}`)
  }

  /** Instead of `step`, where breakpoints of the guest's own matter, which QEMU takes for the debugger's while it steps. */
  async goTo(address: bigint): Promise<StepState> {
    await this.runTo(address)
    return this.state()
  }

  /** A step whose state nobody looks at. */
  async skip(): Promise<void> { await this.#go('s') }

  /** Runs freely to an address; false if it has not been there after a while. */
  async reaches(address: bigint): Promise<boolean> {
    await this.runTo(address, FREE_MS)
    return (await this.state()).pc === address
  }

  async step(): Promise<StepState> {
    await this.#go('s')
    return this.state()
  }

  async state(): Promise<StepState> {
    const raw = this.#raw, out = this.#state
    raw.write(await this.#client.request('g'), 'hex')
    for (let n = 0; n < 32; n++) out.x[n] = raw.readBigUInt64LE(8 * n)
    out.pc = raw.readBigUInt64LE(8 * REGISTER_PC)
    out.pstate = raw.readInt32LE(8 * REGISTER_CPSR)
    return out
  }

  end(): void {
    this.#client.close()
    this.#process.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
