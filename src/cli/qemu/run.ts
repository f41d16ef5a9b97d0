/** One QEMU command line, from its arguments to an exit code. */
import { writeFileSync } from 'node:fs'
import { BadInput } from '../../arch/bad-input.ts'
import { createMachine, type Machine } from '../../machine/machine.ts'
import type { MachineOptions } from '../../machine/options.ts'
import type { Outcome } from '../../machine/outcome.ts'
import { EXIT } from '../exit-codes.ts'
import { GdbServer } from '../gdb-server.ts'
import { Pace } from '../pace.ts'
import { answerTo } from './answers.ts'
import { characterOf } from './characters.ts'
import { parseCommandLine } from './command-line.ts'
import type { Character, Configuration } from './configuration.ts'
import { flashImages, fwCfgFiles, openCharacter, openDevices, openStarted, semihostingFiles, type OpenCharacter, type Started } from './files.ts'
import { openTerminal, type Terminal } from './terminal.ts'

/** Milliseconds between looks at the keyboard. */
const SLICE = 30, MOST_WAIT = 50

export async function runQemu(argv: readonly string[], version: string): Promise<number> {
  const c = parseCommandLine(argv)
  if (c.answer !== undefined) {
    process.stdout.write(answerTo(c.answer, version))
    return EXIT.done
  }
  // QEMU's word for them: runners that take any other line on stderr for QEMU's failure look for it.
  for (const warning of c.warnings) say(`warning: ${warning}`)
  if (c.pidfile !== undefined) writeFileSync(c.pidfile, `${process.pid}\n`)
  const started = await openStarted(c), flash = flashImages(c)
  if (started.image === undefined && started.entry === undefined && flash[0] === undefined && c.dumpdtb === undefined) throw new BadInput('qemu', 'nothing to start: give -kernel, -bios, a -pflash or -device loader,cpu-num=0')
  if (c.wait && c.gdb === undefined) throw new BadInput('-S', 'it needs -s or -gdb: there is no monitor that could start the guest')
  return new Session(c, started, flash).run()
}

const say = (text: string): void => { process.stderr.write(`nidus: ${text}\n`) }

/** The first serial port, as QEMU chooses it. */
export function serialOf(c: Configuration): Character {
  const [first] = c.serials
  if (first !== undefined) return first.kind === 'chardev' ? characterOf(c, '-serial', first.id) : first
  if (c.nographic) return { kind: 'terminal', mux: true }
  return c.nodefaults || c.display?.startsWith('none') === true ? { kind: 'null' } : { kind: 'terminal', mux: true }
}

class Session {
  readonly #c: Configuration
  readonly #started: Started
  readonly #flash: ReturnType<typeof flashImages>
  readonly #terminal: Terminal
  readonly #open: OpenCharacter[] = []
  #testExit: number | undefined
  #machine: Machine | undefined
  #gdb: GdbServer | undefined

  constructor(c: Configuration, started: Started, flash: ReturnType<typeof flashImages>) {
    this.#c = c
    this.#started = started
    this.#flash = flash
    const used = [serialOf(c), ...c.devices.flatMap(({ driver, values }) => /^virt(?:console|serialport)$/.test(driver) && values.has('chardev') ? characterOf(c, '-device', values.get('chardev')!) : [])]
    const terminals = used.filter(each => each.kind === 'terminal')
    this.#terminal = openTerminal({ input: terminals.length > 0, mux: terminals.some(each => each.mux) })
  }

  async run(): Promise<number> {
    const close = (): void => {
      this.#terminal.close()
      for (const each of this.#open.splice(0)) each.close()
    }
    process.once('exit', () => { this.#terminal.close() })
    try {
      // Each start after a reset is a new machine with what the flash and the disks have become.
      for (;;) {
        const end = await this.#once()
        if (end !== 'reset') return end
      }
    } finally { close() }
  }

  #character(character: Character): OpenCharacter {
    const open = openCharacter(character, this.#terminal.write, code => {
      this.#testExit ??= code
      this.#machine?.interrupt()
    })
    this.#open.push(open)
    // What GDB goes back over has been printed when it happened first.
    return { write: bytes => { if (this.#gdb?.replaying !== true) open.write(bytes) }, close: open.close }
  }

  async #once(): Promise<number | 'reset'> {
    const c = this.#c, started = this.#started, serial = serialOf(c), uart = this.#character(serial)
    const devices = openDevices(c, id => {
      const character = characterOf(c, '-device', id)
      return { write: this.#character(character).write, isTerminal: character.kind === 'terminal' }
    }, say)
    const semihosting = c.semihosting, firmware = this.#flash[0] !== undefined
    const options: MachineOptions = {
      board: 'virt', gic: c.gic, smp: c.cpus, memBytes: c.memBytes, profile: c.cpu!.profile, hide: c.cpu!.hide, el2: c.el2, hash: false, pci: true, legacyVirtio: c.legacyVirtio, plugs: devices.plugs, complaint: say,
      console: byte => { uart.write(Uint8Array.of(byte)) }, symbolAt: pc => started.elf?.symbolize(pc),
      firmware: { flash: this.#flash, files: fwCfgFiles(c), ...(firmware ? { kernel: { image: started.image, initrd: started.initrd, commandLine: c.append } } : {}) },
      ...(semihosting.enabled ? {
        semihosting: {
          commandLine: semihosting.arguments.length > 0 ? semihosting.arguments.join(' ') : [c.kernel, c.append].filter(text => text !== undefined).join(' '), userSpace: semihosting.userSpace,
          output: this.#character(semihosting.chardev === undefined ? { kind: 'stderr' } : characterOf(c, '-semihosting-config', semihosting.chardev)).write,
          ...(semihosting.folder === undefined ? {} : { files: semihostingFiles(semihosting.folder) }),
        },
      } : {}),
    }
    const machine = this.#machine = createMachine(options)
    const { image, initrd, dtb, blobs, modules, entry } = started, own = firmware ? {} : { ...(image === undefined ? {} : { image, allowRaw: true }), ...(initrd === undefined ? {} : { initrd }), ...(c.append === undefined ? {} : { bootargs: c.append }) }
    const plan = machine.loadImage({ ...own, ...(dtb === undefined ? {} : { dtb }), blobs, modules, ...(entry === undefined ? {} : { entry }) })
    if (c.dumpdtb !== undefined) {
      writeFileSync(c.dumpdtb, plan.dtb)
      return EXIT.done
    }
    devices.network?.attach(event => { machine.post({ ...event, device: 'network0' }) })
    const gdb = this.#gdb = c.gdb === undefined ? undefined : await GdbServer.listen({ machine, address: c.gdb, wait: c.wait, say, symbols: () => pc => started.elf?.symbolize(pc) })
    try {
      return await this.#toTheEnd(machine, devices.typed ?? 'uart0', new Pace(devices.network === undefined ? [] : [devices.network]), gdb)
    } finally {
      gdb?.close()
      devices.network?.close()
    }
  }

  async #toTheEnd(machine: Machine, typedAt: string, pace: Pace, gdb: GdbServer | undefined): Promise<number | 'reset'> {
    const terminal = this.#terminal
    for (;;) {
      await gdb?.standing()
      if (gdb?.killed === true || terminal.quit()) return EXIT.done
      const end = performance.now() + pace.slice(SLICE), limits = { interrupted: () => performance.now() > end, waits: pace.waits }
      const outcome = gdb?.run(limits) ?? machine.run(limits)
      terminal.flush()
      if (this.#testExit !== undefined) return this.#testExit
      const code = this.#verdict(outcome)
      if (code !== undefined) return code
      if (outcome.kind === 'waiting') await pace.wait(outcome.nanoseconds, machine.instructions)
      else if (outcome.kind === 'idle') {
        if (!terminal.isOpen() && gdb === undefined && !pace.isBusy) {
          say('every CPU waits for an interrupt and nothing is left that could raise one')
          return EXIT.guestDied
        }
        await terminal.wait(MOST_WAIT)
      } else await new Promise<void>(resolve => { setImmediate(resolve) })
      const bytes = terminal.take()
      if (bytes.length > 0) machine.post({ device: typedAt, kind: 'data', id: 0, bytes })
    }
  }

  /** Undefined: it goes on. */
  #verdict(outcome: Outcome): number | 'reset' | undefined {
    switch (outcome.kind) {
      case 'off': return EXIT.done
      case 'exit': return outcome.code
      case 'reset': return this.#c.reboot ? 'reset' : EXIT.done
      case 'died':
        say(`the guest died: ${outcome.detail}`)
        return EXIT.guestDied
      case 'unimplemented': {
        const { what, name, pc, el, feature, pe, symbol } = outcome.detail
        say(`unimplemented ${what} ${name}${feature === undefined ? '' : ` (${feature})`} at PC 0x${pc.toString(16)}${symbol === undefined ? '' : ` <${symbol}>`}, EL${el}, CPU ${pe}`)
        return EXIT.guestDied
      }
      default: return undefined
    }
  }
}
