/** One line of progress on stderr, only where a person sees it. */
export interface Progress {
  update(text: string): void
  clear(): void
}

export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  if (!stream.isTTY) return { update: () => {}, clear: () => {} }
  let shown = false
  return {
    update(text) {
      stream.write(`\r\u001b[K${text.slice(0, (stream.columns || 80) - 1)}`)
      shown = true
    },
    clear() {
      if (shown) stream.write('\r\u001b[K')
      shown = false
    },
  }
}
