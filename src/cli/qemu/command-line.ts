/** QEMU's argument list to a configuration. Nothing is opened and nothing is printed. */
import { BadInput } from '../../arch/bad-input.ts'
import { emptyConfiguration, type Configuration } from './configuration.ts'
import { OPTIONS, type OptionRow } from './options.ts'
import { simpleDrive } from './plugged.ts'

const BY_NAME = new Map(OPTIONS.flatMap(row => row.names.map(name => [name, row] as const)))

/** One dash or two. */
export function optionNamed(argument: string): OptionRow | undefined { return BY_NAME.get(argument.replace(/^--?/, '')) }

/** Throws BadInput for what is unknown, refused, or cannot be together. */
export function parseCommandLine(argv: readonly string[]): Configuration {
  const c = emptyConfiguration(), warn = (text: string): void => { c.warnings.push(text) }
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i]!
    if (!argument.startsWith('-') || argument === '-') {
      simpleDrive(c, 'disk image', argument, 0)
      continue
    }
    const row = optionNamed(argument)
    if (row === undefined) throw new BadInput('qemu', `unknown option '${argument}'; nidus qemu -- -help lists the options`)
    if (row.effect === 'refused') throw new BadInput(argument, row.what)
    const text = row.takesValue ? argv[++i] : ''
    if (text === undefined) throw new BadInput(argument, 'a value is missing')
    if (row.effect === 'ignored') warn(`${argument}${text === '' ? '' : ` ${text}`}: ${row.what}`)
    row.apply?.(c, text, warn)
    if (c.answer !== undefined) return c
  }
  if (c.machine === undefined) throw new BadInput('-machine', 'no machine is given; add -M virt')
  if (c.kernel === undefined && (c.initrd !== undefined || c.append !== undefined)) throw new BadInput(c.initrd === undefined ? '-append' : '-initrd', 'it needs -kernel')
  if (c.cpu === undefined) {
    // QEMU's own default is a 32-bit Cortex-A15.
    c.cpu = { name: 'cortex-a57', profile: 'v8.0', hide: [], difference: undefined }
    warn('-cpu is not given: cortex-a57 (QEMU\'s default is a 32-bit CPU)')
  } else if (c.cpu.difference !== undefined) warn(`-cpu ${c.cpu.name} is profile ${c.cpu.profile}: ${c.cpu.difference}`)
  if (c.serials.length > 1 && c.serials.slice(1).some(({ kind }) => kind !== 'null')) throw new BadInput('-serial', 'the board has one serial port')
  return c
}
