/** A web worker that performs runs: receives a run's name, answers with what came of it. */
import { RUNS, type Result } from './runs.ts'

export type Answer = { readonly result: Result, readonly milliseconds: number } | { readonly error: string }

const load = async (name: string): Promise<Uint8Array> => {
  const response = await fetch(`/files/${name}`)
  if (!response.ok) throw new Error(`${name}: ${response.status}`)
  return new Uint8Array(await response.arrayBuffer())
}

addEventListener('message', async ({ data }: MessageEvent<string>) => {
  const start = performance.now()
  const answer: Answer = await RUNS.find(({ name }) => name === data)!.perform(load).then(
    result => ({ result, milliseconds: performance.now() - start }),
    (error: unknown) => ({ error: error instanceof Error ? error.stack ?? error.message : String(error) }))
  postMessage(answer)
})
