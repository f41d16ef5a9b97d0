/**
 * Recordings: what was asked for, and everything that came in from outside with the position at which it did, as lines of JSON. Running the same
 * once more with it gives the same run (`traceHash`). A line is written when it happens, so that a run that breaks off can be replayed too.
 */
import { createHash } from 'node:crypto'
import { appendFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BadInput } from '../arch/bad-input.ts'
import type { OutsideEvent } from '../arch/outside.ts'
import type { Position } from '../machine/options.ts'
import { askedFrom, type AskedImages } from './asked.ts'
import { inputFile } from './options.ts'
import type { ShareAnswer } from './share-log.ts'

export const RECORDING_VERSION = 2

/** What a run is made of. Options are those of the commands; files by their SHA-256. */
export interface Asked extends AskedImages {
  readonly snapshot: string | undefined
  readonly files: readonly { readonly what: string, readonly sha256: string }[]
}

export interface Entry { readonly position: Position, readonly event: OutsideEvent }
/** How the recorded run ended; undefined: it broke off. */
export interface Ending { readonly position: Position, readonly outcome: string, readonly code: number, readonly traceHash: string | undefined }
export interface Recording { readonly asked: Asked, readonly entries: readonly Entry[], /** Of all shares, in their order. */ readonly answers: readonly ShareAnswer[], readonly ending: Ending | undefined }

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** Takes down a run. */
export class Recorder {
  readonly #lines: string[] = []
  readonly #path: string | undefined
  #first: (() => string) | undefined
  #ended = false

  /** Without a path it is kept in memory, for the case that the run breaks off. */
  constructor(path: string | undefined) { this.#path = path }

  /** `asked` costs a look at every file: only what is written needs it. */
  begin(asked: () => Asked): void {
    this.#first = () => JSON.stringify({ recording: RECORDING_VERSION, ...asked() })
    if (this.#path !== undefined) {
      try { writeFileSync(this.#path, `${this.#first()}\n`) } catch (error) {
        throw new BadInput('--record', `${this.#path} cannot be written (${(error as NodeJS.ErrnoException).code ?? String(error)})`)
      }
    }
  }

  readonly event = ({ instructions, idleTurns }: Position, { device, kind, id, bytes }: OutsideEvent): void => {
    this.#add({ at: instructions, idle: idleTurns, device, kind, id, bytes: Buffer.from(bytes).toString('base64') })
  }

  /** What a shared folder has answered. Without a path it is not kept: it may be much, and the folder is asked again. */
  readonly answer = (line: ShareAnswer): void => { if (this.#path !== undefined) this.#add(line) }

  /** Only the first end counts: after it the process may still be ended from outside. */
  end({ position: { instructions, idleTurns }, outcome, code, traceHash }: Ending): void {
    if (this.#ended) return
    this.#ended = true
    this.#add({ at: instructions, idle: idleTurns, outcome, code, traceHash: traceHash ?? null })
  }

  #add(line: object): void {
    const text = JSON.stringify(line)
    if (this.#path === undefined) this.#lines.push(text)
    else appendFileSync(this.#path, `${text}\n`)
  }

  /** Where the recording is, for the message about a run that broke off; written now if it was not yet. */
  keep(): string | undefined {
    if (this.#path !== undefined || this.#first === undefined) return this.#path
    const path = join(tmpdir(), `nidus-${process.pid}.replay`)
    writeFileSync(path, `${[this.#first(), ...this.#lines].join('\n')}\n`)
    return path
  }
}

// --- reading

type Fields = Readonly<Record<string, unknown>>
const isNatural = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value)
const LONGEST = 1 << 28

/** Throws BadInput with the line. */
export function readRecording(path: string): Recording {
  const bytes = inputFile('--replay', path)
  if (bytes.length > LONGEST) throw new BadInput('recording', `${path} is longer than any recording`)
  return parseRecording(Buffer.from(bytes).toString('utf8'))
}

export function parseRecording(text: string): Recording {
  const bad = (line: number, problem: string): never => { throw new BadInput('recording', `line ${line + 1} ${problem}`) }
  const lines = text.split('\n')
  // A run that broke off may have left half a line.
  if (lines.at(-1) === '') lines.pop()
  else if (lines.length > 1) lines.pop()
  const values = lines.map((line, i): Fields => {
    let value: unknown
    try { value = JSON.parse(line) } catch { return bad(i, 'is no JSON') }
    return isObject(value) ? value : bad(i, 'is no object')
  })
  const [first, ...rest] = values
  if (first === undefined || !('recording' in first)) throw new BadInput('recording', 'line 1 is not that of a recording of Nidus')
  if (first['recording'] !== RECORDING_VERSION) bad(0, `is of version ${String(first['recording'])}; this Nidus reads version ${RECORDING_VERSION}`)
  const { snapshot, files } = first, asked = askedFrom(first, 'recording')
  if ((snapshot !== undefined && typeof snapshot !== 'string')
    || !Array.isArray(files) || !files.every(each => isObject(each) && typeof each['what'] === 'string' && typeof each['sha256'] === 'string')) return bad(0, 'does not say what was run')
  const entries: Entry[] = [], answers: ShareAnswer[] = []
  let ending: Ending | undefined, before = 0
  rest.forEach((line, i) => {
    const { at, idle, outcome, code, traceHash, device, kind, id, bytes, share, call, answer } = line
    if (typeof share === 'string' && typeof call === 'string' && typeof answer === 'string') {
      // A machine that ends closes its files behind the end.
      answers.push({ share, call, answer })
      return
    }
    if (ending !== undefined) bad(i + 1, 'follows the end')
    if (!isNatural(at) || !isNatural(idle) || at < before) return bad(i + 1, 'has no position, or one before that of the last')
    const position = { instructions: before = at, idleTurns: idle }
    if (typeof outcome === 'string' && isNatural(code) && (traceHash === null || typeof traceHash === 'string')) ending = { position, outcome, code, traceHash: traceHash ?? undefined }
    else if (typeof device === 'string' && typeof kind === 'string' && isNatural(id) && typeof bytes === 'string') entries.push({ position, event: { device, kind, id, bytes: Uint8Array.from(Buffer.from(bytes, 'base64')) } })
    else bad(i + 1, 'is neither an event nor an end')
  })
  return { asked: { ...asked, snapshot: snapshot as string | undefined, files: files as Asked['files'] }, entries, answers, ending }
}

/** Files that are not what they were when the run was recorded. Throws BadInput. */
export function checkFiles(recorded: Asked['files'], now: Asked['files']): void {
  for (const { what, sha256: was } of recorded) {
    const same = now.find(each => each.what === what)
    if (same === undefined) throw new BadInput('recording', `${what} was used and is missing now`)
    if (same.sha256 !== was) throw new BadInput('recording', `${what} is not what it was when the run was recorded`)
  }
}
