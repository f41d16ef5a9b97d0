/**
 * Draws docs/terminal.svg, the picture in README and on the site: what the commands below print, as it is.
 *
 *   node scripts/terminal.ts
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { node, root } from './setup.js'

/** A command, and how many lines of what it prints. */
const COMMANDS: readonly (readonly [args: readonly string[], lines: number])[] = [
  [['paper', '--only', 'hypercall'], 16],
  [['explain', 'mrs x0, vtcr_el2', '--at', 'vEL2', '--arch', 'v8.3'], 10],
  [['explain', 'mrs x0, vtcr_el2', '--at', 'vEL2', '--arch', 'v8.4'], 10],
]
const CHARACTER = 8.4, LINE = 19, MARGIN = 22, BAR = 36

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const quoted = (arg: string): string => arg.includes(' ') ? `'${arg}'` : arg
const COLOURS: readonly (readonly [RegExp, string])[] = [[/^\$ /, '#8fd3b0'], [/^Result:/, '#f2c46d'], [/^v8\.0 paravirtual/, '#b8c0cc'], [/^(?:v8|neve|VM)/, '#e6e9ee'], [/^-+( |$)/, '#5c6675'], [/^[A-Z]\w+ {3}/, '#8ab4f8']]

const lines = COMMANDS.flatMap(([args, count], i) => {
  const child = spawnSync(node, ['--no-warnings', join(root, 'bin/nidus.js'), ...args], { encoding: 'utf8' })
  if (child.status !== 0) throw new Error(child.stderr)
  const printed = child.stdout.trimEnd().split('\n')
  return [...(i > 0 ? [''] : []), `$ nidus ${args.map(quoted).join(' ')}`, ...printed.slice(0, count), ...(printed.length > count ? ['...'] : [])]
})
const width = Math.ceil(Math.max(...lines.map(line => line.length)) * CHARACTER + 2 * MARGIN), height = BAR + lines.length * LINE + MARGIN
const text = lines.map((line, i) => line === '' ? '' : `<text x="${MARGIN}" y="${BAR + (i + 1) * LINE - 4}" fill="${COLOURS.find(([pattern]) => pattern.test(line))?.[1] ?? '#c9d0da'}" textLength="${(line.length * CHARACTER).toFixed(1)}" xml:space="preserve">${escape(line)}</text>`)
writeFileSync(join(root, 'docs/terminal.svg'), [
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14">`,
  `<rect width="${width}" height="${height}" rx="10" fill="#171b21"/>`,
  ...['#ed6a5e', '#f4bf4f', '#61c554'].map((fill, i) => `<circle cx="${22 + 20 * i}" cy="19" r="6" fill="${fill}"/>`),
  ...text.filter(each => each !== ''), '</svg>', '',
].join('\n'))
