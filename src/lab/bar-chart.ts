/** Grouped bars as SVG text: no DOM, the same text for the same numbers. */
export interface BarChart {
  readonly title: string
  /** Of the vertical axis. */
  readonly unit: string
  readonly groups: readonly string[]
  readonly series: readonly { readonly name: string, /** By group; null: no bar. */ readonly values: readonly (number | null)[] }[]
  /** The axis in powers of ten, from 1; smaller values have no bar. */
  readonly logarithmic?: boolean
  /** Lines below the chart. */
  readonly notes?: readonly string[]
}

const COLOURS = ['#666666', '#9ecae1', '#de2d26', '#fc9272', '#31a354', '#a1d99b', '#756bb1', '#bcbddc'] as const
const BAR = 26, GAP = 40, HEIGHT = 260, LEFT = 60, TOP = 50, LINE = 16

const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

/** The next of 1, 2, 5 times a power of ten for about five steps. */
function stepOf(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most / 5))
  return power * ([1, 2, 5].find(factor => most / (power * factor) <= 6) ?? 10)
}

interface Axis { /** Where a value is, from 0 at the bottom to 1. */ readonly share: (value: number) => number, readonly ticks: readonly number[] }

function linear(most: number): Axis {
  const step = stepOf(most), top = Math.ceil(most / step) * step, ticks: number[] = []
  for (let value = 0; value <= top + step / 2; value += step) ticks.push(value)
  return { share: value => value / top, ticks }
}

function powersOfTen(most: number): Axis {
  const decades = Math.max(1, Math.ceil(Math.log10(most)))
  return { share: value => Math.max(0, Math.log10(value)) / decades, ticks: Array.from({ length: decades + 1 }, (_, n) => 10 ** n) }
}

export function barChart({ title, unit, groups, series, logarithmic = false, notes = [] }: BarChart): string {
  const most = Math.max(1, ...series.flatMap(({ values }) => values.map(value => value ?? 0)))
  const { share, ticks } = logarithmic ? powersOfTen(most) : linear(most)
  const groupWidth = series.length * BAR + GAP, width = LEFT + groups.length * groupWidth + 20
  const bottom = TOP + HEIGHT, y = (value: number): string => (bottom - share(value) * HEIGHT).toFixed(1)
  const text = (x: number, at: number | string, content: string, anchor: 'start' | 'middle' | 'end' = 'start', size = 12): string =>
    `<text x="${x}" y="${at}" text-anchor="${anchor}" font-size="${size}">${escape(content)}</text>`
  const parts: string[] = [text(LEFT, 20, title, 'start', 14), text(LEFT, 38, unit)]
  for (const value of ticks) {
    parts.push(`<line x1="${LEFT}" x2="${width - 20}" y1="${y(value)}" y2="${y(value)}" stroke="#dddddd"/>`, text(LEFT - 6, y(value), String(Math.round(value * 100) / 100), 'end'))
  }
  groups.forEach((group, g) => {
    const left = LEFT + g * groupWidth + GAP / 2
    series.forEach(({ name, values }, s) => {
      const value = values[g] ?? null
      if (value === null) return
      const x = left + s * BAR
      parts.push(`<rect x="${x}" y="${y(value)}" width="${BAR - 4}" height="${(share(value) * HEIGHT).toFixed(1)}" fill="${COLOURS[s % COLOURS.length]}"><title>${escape(`${group}, ${name}: ${value}`)}</title></rect>`,
        text(x + (BAR - 4) / 2, (Number(y(value)) - 3).toFixed(1), value.toFixed(value < 10 ? 2 : value < 1000 ? 1 : 0), 'middle', 9))
    })
    parts.push(text(left + series.length * BAR / 2, bottom + 18, group, 'middle'))
  })
  let at = bottom + 40
  series.forEach(({ name }, s) => {
    parts.push(`<rect x="${LEFT}" y="${at - 10}" width="12" height="12" fill="${COLOURS[s % COLOURS.length]}"/>`, text(LEFT + 18, at, name))
    at += LINE
  })
  for (const note of notes) {
    parts.push(text(LEFT, at + 6, note, 'start', 10))
    at += LINE
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.max(width, 520)}" height="${at + 10}" font-family="sans-serif">\n<rect width="100%" height="100%" fill="white"/>\n${parts.join('\n')}\n</svg>\n`
}
