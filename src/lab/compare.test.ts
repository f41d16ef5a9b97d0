import fc from 'fast-check'
import { expect, test } from 'vitest'
import { accessOf, alignTraps, differences } from './compare.ts'
import type { WhyLine } from './operations.ts'

const line = (text: string): WhyLine => {
  const [register, direction] = text.split(' ')
  return { el: 1, pc: '0x0', symbol: null, register: register!, direction: direction === undefined ? null : direction as 'read', action: 'emulate' }
}
const lines = (...texts: string[]): WhyLine[] => texts.map(line)

test('traps of both stand in one line, others where they are made', () => {
  const aligned = alignTraps(lines('HVC', 'ESR_EL2 read', 'TPIDR_EL2 read', 'ERET'), lines('HVC', 'TPIDR_EL2 read', 'HCR_EL2 write', 'ERET'))
  expect(aligned.map(({ left, right }) => `${left === undefined ? '' : accessOf(left)} | ${right === undefined ? '' : accessOf(right)}`)).toEqual([
    'HVC | HVC', 'ESR_EL2 read | ', 'TPIDR_EL2 read | TPIDR_EL2 read', ' | HCR_EL2 write', 'ERET | ERET',
  ])
})

test('no trap is lost and the order of both is kept, whatever the lists', () => {
  const list = fc.array(fc.constantFrom('a', 'b', 'b read', 'c'), { maxLength: 12 })
  fc.assert(fc.property(list, list, (a, b) => {
    const left = lines(...a), right = lines(...b), aligned = alignTraps(left, right)
    expect(aligned.flatMap(each => each.left ?? [])).toEqual(left)
    expect(aligned.flatMap(each => each.right ?? [])).toEqual(right)
    for (const { left: l, right: r } of aligned) if (l !== undefined && r !== undefined) expect(accessOf(l)).toBe(accessOf(r))
    // As many in common as the counts allow at most.
    const common = aligned.filter(each => each.left !== undefined && each.right !== undefined).length
    expect(common).toBeLessThanOrEqual(Math.min(left.length, right.length))
    if (a.join() === b.join()) expect(common).toBe(left.length)
  }))
})

test('accesses that one of them makes more often', () => {
  expect(differences(lines('HVC', 'X read', 'X read', 'Y write'), lines('HVC', 'X read', 'Z read', 'Z read', 'Z read'))).toEqual([
    { access: 'Z read', left: 0, right: 3 }, { access: 'X read', left: 2, right: 1 }, { access: 'Y write', left: 1, right: 0 },
  ])
})
