/** The `nidus` command: routes, help, errors and exit codes. Each command is a file of parse, call, print in commands/. */
import { ArgumentParseError, buildApplication, buildRouteMap, run, text_en, type ApplicationText, type StricliProcess } from '@stricli/core'
import { BadInput } from '../arch/bad-input.ts'
import { splitImages, type ImagesContext } from './and.ts'
import { doctorCommand } from './commands/doctor.ts'
import { explainCommand } from './commands/explain.ts'
import { fetchCommand } from './commands/fetch.ts'
import { fitCommand } from './commands/fit.ts'
import { lockstepCommand } from './commands/lockstep.ts'
import { gdbCommand } from './commands/gdb.ts'
import { matrixCommand } from './commands/matrix.ts'
import { paperCommand } from './commands/paper.ts'
import { qemuCommand } from './commands/qemu.ts'
import { rootfsCommand } from './commands/rootfs.ts'
import { runCommand } from './commands/run.ts'
import { statCommand } from './commands/stat.ts'
import { traceCommand } from './commands/trace.ts'
import { snapshotCommand } from './commands/snapshot.ts'
import { EXIT } from './exit-codes.ts'
import { packageVersion } from './package-files.ts'

const routes = buildRouteMap<string, ImagesContext>({
  routes: { paper: paperCommand, run: runCommand, qemu: qemuCommand, snapshot: snapshotCommand, stat: statCommand, trace: traceCommand, gdb: gdbCommand, lockstep: lockstepCommand, fetch: fetchCommand, rootfs: rootfsCommand, matrix: matrixCommand, explain: explainCommand, fit: fitCommand, doctor: doctorCommand },
  docs: {
    brief: 'Nested virtualization on Arm: a machine, a host hypervisor and a laboratory that counts every trap',
    fullDescription: [
      'Nested virtualization on Arm: a machine, a host hypervisor and a laboratory that counts every trap.',
      '',
      'Examples:',
      '  nidus paper                         the tables of the NEVE paper, measured beside published',
      '  nidus paper --why hypercall@v8.3    every trap of one nested hypercall, in order',
      "  nidus explain 'mrs x0, vtcr_el2' --at vEL2 --arch v8.3",
      '  nidus doctor                        what is missing on this machine',
      '',
      'Exit codes: 0 done, 1 the guest reported failure, 2 usage or bad input, 3 the guest died or hit something unimplemented, 4 timeout, 5 a bug of ours, 130 Ctrl-C.',
    ].join('\n'),
  },
})

/** One line for bad input; a stack and a request to report for anything else. */
function describeError(error: unknown): string {
  if (error instanceof BadInput) return `nidus: ${error.message}`
  return `nidus: this is a bug of Nidus, please report it\n${error instanceof Error ? error.stack ?? error.message : String(error)}`
}

const text: ApplicationText = {
  ...text_en,
  exceptionWhileParsingArguments: error => `nidus: ${error instanceof ArgumentParseError && error.exception instanceof BadInput ? error.exception.message : error instanceof Error ? error.message : String(error)}`,
  exceptionWhileRunningCommand: describeError,
  exceptionWhileLoadingCommandFunction: describeError,
  exceptionWhileLoadingCommandContext: describeError,
  noCommandRegisteredForInput: ({ input, corrections }) =>
    `nidus: there is no command '${input}'${corrections.length > 0 ? `; did you mean ${corrections.join(' or ')}?` : '; see nidus --help'}`,
}

const application = buildApplication(routes, {
  name: 'nidus',
  versionInfo: { currentVersion: packageVersion() },
  scanner: { caseStyle: 'allow-kebab-for-camel', allowArgumentEscapeSequence: true },
  documentation: { useAliasInUsageLine: true },
  localization: { loadText: () => text },
  determineExitCode: error => error instanceof BadInput ? EXIT.badInput : EXIT.ourBug,
})

export async function main(args: readonly string[]): Promise<void> {
  process.on('SIGINT', () => process.exit(EXIT.interrupted))
  // A reader that goes away (`nidus matrix | head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.ourBug))
  const { args: own, others } = splitImages(args)
  await run(application, own.length > 0 ? own : ['--help'], { process: process as StricliProcess, others })
  const code = Number(process.exitCode ?? 0)
  // The parser reports its own errors as negative codes: all of them are usage.
  if (code < 0) process.exitCode = EXIT.badInput
}
