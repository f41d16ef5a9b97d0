/** Someone at the console of a run: waits for what is printed and types. */
import type { ChildProcessWithoutNullStreams } from 'node:child_process'

export class Dialogue {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #patience: number
  readonly #ended: Promise<number | null>
  #text = ''
  #errors = ''
  #from = 0
  #look: () => void = () => {}

  constructor(child: ChildProcessWithoutNullStreams, patienceMs: number) {
    this.#child = child
    this.#patience = patienceMs
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      this.#text += text
      this.#look()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => { this.#errors += text })
    // A run that has ended reads nothing.
    child.stdin.on('error', () => {})
    this.#ended = new Promise(resolve => {
      child.once('close', code => {
        resolve(code)
        this.#look()
      })
    })
  }

  get text(): string { return this.#text }

  type(keys: string): void { this.#child.stdin.write(keys) }

  /** What is printed from the last match to the end of this one; the expression looks at all of it. */
  async until(expression: RegExp): Promise<string> {
    let ended = false, late = false
    void this.#ended.then(() => {
      ended = true
      this.#look()
    })
    const timer = setTimeout(() => {
      late = true
      this.#look()
    }, this.#patience)
    try {
      for (;;) {
        const found = expression.exec(this.#text.slice(this.#from))
        if (found !== null) {
          const start = this.#from
          this.#from += found.index + found[0].length
          return this.#text.slice(start, this.#from)
        }
        if (ended || late) throw new Error(`${ended ? `the run ended (${this.#errors.trim().split('\n')[0]})` : 'nothing more came'} before ${expression}; last: ${JSON.stringify(this.#text.slice(-300))}`)
        await new Promise<void>(resolve => { this.#look = resolve })
      }
    } finally { clearTimeout(timer) }
  }

  async ended(): Promise<{ readonly status: number | null, readonly errors: string }> { return { status: await this.#ended, errors: this.#errors } }
}
