/**
 * What hostile programs reach in L0: exit handlers by exception class, and functions by file (V8's precise coverage). `startCoverage` must run
 * before src/hypervisor is imported.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { Session } from 'node:inspector'
import { fileURLToPath } from 'node:url'

export interface FileCoverage {
  /** Below src/hypervisor/. */
  readonly file: string
  readonly functions: number
  readonly reached: number
  /** Name and line of functions that never ran. */
  readonly missed: readonly string[]
}

interface FunctionRange { readonly functionName: string, readonly ranges: readonly { readonly startOffset: number, readonly endOffset: number, readonly count: number }[] }
interface ScriptCoverage { readonly url: string, readonly functions: readonly FunctionRange[] }

/** Returns a function that ends it and says what ran. */
export function startCoverage(): () => FileCoverage[] {
  const session = new Session()
  session.connect()
  let taken: readonly ScriptCoverage[] = []
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: false })
  return () => {
    session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error
      taken = result as readonly ScriptCoverage[]
    })
    session.disconnect()
    return taken.filter(({ url }) => url.includes('/src/hypervisor/') && !url.includes('.test')).map(fileCoverage).sort((a, b) => a.file < b.file ? -1 : 1)
  }
}

function fileCoverage({ url, functions }: ScriptCoverage): FileCoverage {
  const text = readFileSync(fileURLToPath(url), 'utf8')
  // The first is the module itself.
  const inside = functions.filter(({ ranges: [range] }) => range!.endOffset - range!.startOffset < text.length - 1)
  const missed = inside.filter(({ ranges: [range] }) => range!.count === 0)
  return {
    file: url.slice(url.indexOf('/src/hypervisor/') + '/src/hypervisor/'.length), functions: inside.length, reached: inside.length - missed.length,
    missed: missed.map(({ functionName, ranges: [range] }) => `${functionName === '' ? 'function' : functionName}:${text.slice(0, range!.startOffset).split('\n').length}`),
  }
}

/** What must be reached by enough programs; empty if all is. */
export function missing(programs: number, busy: number, nested: number, handlers: ReadonlyMap<string, number>, files: readonly FileCoverage[]): string[] {
  const found: string[] = []
  if (busy < 0.8 * programs) found.push(`only ${busy} of ${programs} programs execute 1,000 instructions at virtual EL2`)
  if (nested < 0.5 * programs) found.push(`only ${nested} of ${programs} programs enter an L2`)
  for (const [name, exits] of handlers) {
    if ((exits > 0) === (name in UNREACHABLE)) found.push(exits > 0 ? `${name} reached its handler: strike it from UNREACHABLE` : `the handler of ${name} was not reached`)
  }
  const nestedFolder = new URL('../../src/hypervisor/nested/', import.meta.url)
  for (const name of readdirSync(nestedFolder)) {
    if (name.includes('.test')) continue
    const file = files.find(each => each.file === `nested/${name}`)
    if (file === undefined || file.reached < ENOUGH * file.functions) found.push(`nested/${name}: ${file === undefined ? 'not loaded' : `never ran: ${file.missed.join(' ')}`}`)
  }
  return found
}
/** Of a file's functions. */
const ENOUGH = 0.7

/** Exception classes whose handler no guest reaches, and why; a faulty machine would, and `handlers.test.ts` does. */
export const UNREACHABLE: Readonly<Record<string, string>> = {
  Unknown: 'goes to EL1, or L1 has set HCR_EL2.TGE and owns it',
  FPAdvSIMD: 'is answered before the handlers, or is L1\'s',
  PAuth: 'trapped for L1 alone, which then owns it',
  IllegalState: 'goes to EL1, or L1 has set HCR_EL2.TGE and owns it',
  SVC64: 'goes to EL1, or L1 has set HCR_EL2.TGE and owns it',
  PACFail: 'goes to EL1, or L1 has set HCR_EL2.TGE and owns it; FEAT_FPAC is not offered',
  InstructionAbortSame: 'L0 is not translated',
  PCAlignment: 'goes to EL1, or L1 has set HCR_EL2.TGE and owns it',
  SPAlignment: 'goes to EL1, or L1 has set HCR_EL2.TGE and owns it',
  FPException: 'goes to EL1, or L1 has set HCR_EL2.TGE and owns it',
  SError: 'nothing in the machine raises one',
  BreakpointLower: 'goes to EL1, or L1 has set MDCR_EL2.TDE and owns it',
  BreakpointSame: 'L0 is not debugged',
  SoftwareStepSame: 'L0 is not debugged',
  WatchpointLower: 'goes to EL1, or L1 has set MDCR_EL2.TDE and owns it',
  WatchpointSame: 'L0 is not debugged',
  BRK64: 'goes to EL1, or L1 has set MDCR_EL2.TDE and owns it',
}
