/** A sample of test cases in which every pair of values occurs, chosen by a text: greedy, the case that covers most pairs not yet covered; ties by the text. */
export function pairwiseSample<Case>(cases: readonly Case[], valuesOf: (each: Case) => readonly string[], seed: string): Case[] {
  const pairs = (each: Case): string[] => valuesOf(each).flatMap((a, i, all) => all.slice(i + 1).map(b => `${a}/${b}`))
  let state = [...seed].reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 0x0100_0193), 0x811c_9dc5)
  const random = (): number => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9 | 0
    return state >>> 0
  }
  const left = new Set(cases.flatMap(pairs)), chosen: Case[] = []
  const shuffled = cases.map(each => ({ each, key: random() })).sort((a, b) => a.key - b.key).map(({ each }) => each)
  while (left.size > 0) {
    const best = shuffled.map(each => ({ each, gain: pairs(each).filter(pair => left.has(pair)).length })).reduce((a, b) => (b.gain > a.gain ? b : a)).each
    chosen.push(best)
    for (const pair of pairs(best)) left.delete(pair)
  }
  return chosen
}
