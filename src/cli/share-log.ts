/**
 * A shared folder whose answers are written down, or come from what was written down: the folder may have changed since, and a replay changes
 * nothing in it. Answers are asked for in the same order in every run, so that a list of them is enough.
 */
import { BadInput } from '../arch/bad-input.ts'
import type { Errno, OpenShareFile, ShareFiles } from '../devices/plug.ts'

/** One answer as it stands in a recording. */
export interface ShareAnswer { readonly share: string, readonly call: string, readonly answer: string }

/** Runs `make`, or does not and gives what it gave when it was recorded. */
export type Answering = <T>(call: string, make: () => T) => T

export const recordingAnswers = (share: string, write: (line: ShareAnswer) => void): Answering => (call, make) => {
  const answer = make()
  write({ share, call, answer: textOf(answer) })
  return answer
}

export function replayedAnswers(share: string, answers: readonly ShareAnswer[]): Answering {
  let at = 0
  return <T>(call: string) => {
    const next = answers[at++]
    if (next === undefined) throw new BadInput('recording', `ends before answer ${at} of the share ${share} (${call})`)
    if (next.call !== call) throw new BadInput('recording', `answer ${at} of the share ${share} is to ${next.call}; the run asks for ${call}`)
    return valueOf(next.answer) as T
  }
}

/** `inner` is what is asked; of a replay nothing is. */
export function answeringShare(readOnly: boolean, inner: () => ShareFiles, answer: Answering): ShareFiles {
  /** A handle is the answer null. */
  const opened = (call: string, make: () => OpenShareFile | Errno): OpenShareFile | Errno => {
    let file: OpenShareFile | undefined
    const error = answer(call, () => {
      const made = make()
      if (typeof made === 'number') return made
      file = made
      return null
    })
    return error ?? handle(() => file!)
  }
  const handle = (file: () => OpenShareFile): OpenShareFile => ({
    attributes: () => answer('file.attributes', () => file().attributes()),
    read: (offset, into) => {
      const result = answer('file.read', () => {
        const count = file().read(offset, into)
        return typeof count === 'number' ? into.slice(0, count) : count
      })
      if (!(result instanceof Uint8Array)) return result
      into.set(result.subarray(0, into.length))
      return Math.min(result.length, into.length)
    },
    write: (offset, from) => answer('file.write', () => file().write(offset, from)),
    truncate: size => answer('file.truncate', () => file().truncate(size)),
    sync: () => answer('file.sync', () => file().sync()),
    close: () => { answer('file.close', () => { file().close() }) },
  })
  return {
    readOnly,
    attributes: path => answer('attributes', () => inner().attributes(path)),
    change: (path, change) => answer('change', () => inner().change(path, change)),
    open: (path, mode) => opened('open', () => inner().open(path, mode)),
    create: (path, mode, permissions, exclusive) => opened('create', () => inner().create(path, mode, permissions, exclusive)),
    list: path => answer('list', () => inner().list(path)),
    makeFolder: (path, permissions) => answer('makeFolder', () => inner().makeFolder(path, permissions)),
    makeLink: (path, target) => answer('makeLink', () => inner().makeLink(path, target)),
    makeHardLink: (path, existing) => answer('makeHardLink', () => inner().makeHardLink(path, existing)),
    readLink: path => answer('readLink', () => inner().readLink(path)),
    rename: (from, to) => answer('rename', () => inner().rename(from, to)),
    remove: (path, folder) => answer('remove', () => inner().remove(path, folder)),
    status: () => answer('status', () => inner().status()),
  }
}

const NOTHING = ''

/** JSON with two more kinds: `n1` is a bigint and `b...` are bytes in base64; other texts have an s before them. */
function textOf(value: unknown): string {
  if (value === undefined) return NOTHING
  // Not what it is given: bytes may have turned into something else by their toJSON.
  return JSON.stringify(value, function (this: Record<string, unknown>, key) {
    const original = this[key]
    if (typeof original === 'bigint') return `n${original}`
    if (original instanceof Uint8Array) return `b${Buffer.from(original).toString('base64')}`
    return typeof original === 'string' ? `s${original}` : original
  })
}

function valueOf(text: string): unknown {
  if (text === NOTHING) return undefined
  try {
    return JSON.parse(text, (_key, value: unknown) => {
      if (typeof value !== 'string') return value
      switch (value[0]) {
        case 'n': return BigInt(value.slice(1))
        case 'b': return Uint8Array.from(Buffer.from(value.slice(1), 'base64'))
        default: return value.slice(1)
      }
    })
  } catch { throw new BadInput('recording', `'${text.slice(0, 40)}' is no answer of a share`) }
}
