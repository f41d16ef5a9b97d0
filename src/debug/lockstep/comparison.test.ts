/** The comparison that `nidus lockstep` makes, with another machine of ours as the other side: one that is broken on purpose. */
import { expect, test } from 'vitest'
import { createMachine } from '../../machine/machine.ts'
import { BASE, Program } from '../../machine/program.test-support.ts'
import { Comparison } from './comparison.ts'
import { describeDifference, differenceReport } from './describe.ts'
import { MachineStepper } from './machine-stepper.ts'

const LIMITS = { steps: 100, history: 2 }

function sides(program: Program, patch: (bytes: Uint8Array) => void) {
  const [ours, theirs] = [false, true].map(broken => {
    const machine = createMachine({ memBytes: 16 << 20, profile: 'v8.0' }), bytes = program.bytes()
    if (broken) patch(bytes)
    machine.memory.writeBytes(BASE, bytes)
    machine.startAt(BigInt(BASE), 0n)
    const stepper = new MachineStepper(machine)
    stepper.begin()
    return stepper
  }) as [MachineStepper, MachineStepper]
  return new Comparison(ours, theirs)
}
const program = () => new Program().nop().mov(1, 5).mov(2, 7).label('sum').add(3, 1, 1).copy(4, 3).off('hvc')
const patchSum = (bytes: Uint8Array): void => { bytes.set(new Program().add(3, 1, 2).bytes(), 12) }

test('the first instruction with another result, in words and as data', async () => {
  const { difference, end } = await sides(program(), patchSum).run(LIMITS)
  expect([end, difference?.step, difference?.found]).toEqual(['difference', 4, [{ what: 'X3', ours: 6n, theirs: 7n }]])
  const symbolAt = (pc: bigint): string | undefined => pc === BigInt(BASE + 12) ? 'sum' : undefined
  const text = describeDifference(difference!, symbolAt, { ours: 'nidus', theirs: 'other' })
  expect(text).toContain('after instruction 4 of the comparison, at EL1')
  expect(text).toContain('0x4008000c <sum>: add x3, x1, #0x1')
  expect(text).toMatch(/X3 +nidus 0x6\n +other 0x7/)
  expect(text).toContain('mov x2, #0x7')
  expect(differenceReport(difference!, symbolAt)).toMatchObject({ step: 4, instruction: { pc: '0x4008000c', symbol: 'sum', text: 'add x3, x1, #0x1' }, differences: [{ register: 'X3', ours: '0x6', theirs: '0x7' }], before: [{ text: 'mov x1, #0x5' }, { text: 'mov x2, #0x7' }] })
})

test('an exception that only one takes is named, PSTATE by its fields', async () => {
  const { difference } = await sides(new Program().setLabel('VBAR_EL1', 'table').svc(3).vectors(0x800, 'table', { 0x200: 'handler' }).label('handler').nop(), bytes => { bytes.set(new Program().insn('MSR (immediate), DAIFClr', { CRm: 2 }).bytes(), 8) }).run(LIMITS)
  const text = describeDifference(difference!, () => undefined, { ours: 'nidus', theirs: 'other' })
  expect(text).toContain('nidus took an exception to EL1: SVC64, ISS 0x3')
  expect(text).toContain('nidus goes on at 0x40080a00, other at 0x4008000c')
  expect(text).toContain('I 0x1 / 0x0')
})

test('no difference: to the end of the image, to a wait, to the number of steps', async () => {
  const same = (p: Program, steps = 100) => sides(p, () => {}).run({ ...LIMITS, steps })
  expect(await same(program())).toMatchObject({ end: 'ended', detail: 'off', difference: undefined })
  expect(await same(new Program().nop().insn('WFI').nop())).toMatchObject({ end: 'waits', detail: 'WFI' })
  expect(await same(program(), 2)).toMatchObject({ end: 'steps', steps: 2 })
})

test('identification, time and device registers are copied from ours', async () => {
  const p = new Program().nop().mrs(1, 'MIDR_EL1').mov(5, 0x0900_0000).ldr(2, 5, 0x18, 0).mrs(3, 'CNTVCT_EL0').add(4, 1, 0).off('hvc')
  // The other reads another register, and other memory.
  const result = await sides(p, bytes => { bytes.set(new Program().mov(1, 3).bytes(), 4); bytes.set(new Program().mov(2, 9).bytes(), 16) }).run(LIMITS)
  expect(result.end).toBe('ended')
  expect([...result.copied]).toEqual([['MIDR_EL1', 1], ['a device register', 1], ['CNTVCT_EL0', 1]])
})
