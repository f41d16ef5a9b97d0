/** `--and IMAGE [options]`: more VMs beside the first. Their options are parsed as those of a command of their own. */
import { ArgumentParseError, buildApplication, buildCommand, run, text_en, type CommandContext } from '@stricli/core'
import { BadInput } from '../arch/bad-input.ts'
import { IMAGE_PARAMETER, VM_FLAGS, type RunFlags, type VmFlags } from './run-flags.ts'
import type { Requested } from './session.ts'

/** What commands get beside their own arguments: those of each further image. */
export interface ImagesContext extends CommandContext { readonly others: readonly (readonly string[])[] }

const SEPARATOR = '--and'
const WITH_IMAGES = ['run', 'stat', 'trace', 'snapshot', 'gdb']

/** The arguments up to the first `--and`, and the groups behind. */
export function splitImages(args: readonly string[]): { readonly args: readonly string[], readonly others: readonly (readonly string[])[] } {
  if (!WITH_IMAGES.includes(args[0] ?? '')) return { args, others: [] }
  const groups: string[][] = [[]]
  for (const arg of args) {
    if (arg === SEPARATOR) groups.push([])
    else groups.at(-1)!.push(arg)
  }
  return { args: groups[0]!, others: groups.slice(1) }
}

/** All images of a command that runs them and does nothing else. */
export async function imagesToRun(flags: RunFlags, path: string, others: readonly (readonly string[])[]): Promise<Requested[]> {
  if (flags.dumpdtb !== undefined) throw new BadInput('--dumpdtb', 'it is for nidus run')
  return [{ flags, path }, ...await parseOthers(others)]
}

export async function parseOthers(groups: readonly (readonly string[])[]): Promise<Requested[]> {
  const found: Requested[] = []
  for (const group of groups) {
    let wrong: unknown
    const application = buildApplication(buildCommand({
      docs: { brief: 'One more VM' },
      parameters: { flags: VM_FLAGS, positional: { kind: 'tuple', parameters: [IMAGE_PARAMETER] } },
      func(flags: VmFlags, path: string) { found.push({ flags, path }) },
    }), {
      name: SEPARATOR,
      scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
      localization: { loadText: () => ({ ...text_en, exceptionWhileParsingArguments: error => {
        wrong = error instanceof ArgumentParseError && error.exception instanceof BadInput ? error.exception : error
        return ''
      } }) },
    })
    const before = found.length, nowhere = { write: () => {} }
    await run(application, group, { process: { stdout: nowhere, stderr: nowhere } })
    if (found.length > before) continue
    if (wrong instanceof BadInput) throw wrong
    throw new BadInput(SEPARATOR, `${wrong instanceof Error ? wrong.message : 'an image must follow'} (behind ${SEPARATOR} stand an image and its own options: ${Object.keys(VM_FLAGS).map(name => `--${name}`).join(', ')})`)
  }
  return found
}
