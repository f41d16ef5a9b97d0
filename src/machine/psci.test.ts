import { expect, test } from 'vitest'
import { PSCI, firmwareCall } from './psci.ts'
import type { PowerControl, PowerState } from './psci.ts'

function machine() {
  const log: string[] = []
  const states: PowerState[] = ['on', 'off', 'on-pending']
  const power: PowerControl = {
    peWithAffinity: affinity => affinity < 3n ? Number(affinity) : undefined,
    powerState: pe => states[pe]!,
    turnOn: (pe, entry, context) => { log.push(`on ${pe} ${entry} ${context}`) },
    turnOff: pe => { log.push(`off ${pe}`) },
    standby: pe => { log.push(`standby ${pe}`) },
    systemOff: () => { log.push('system off') },
    systemReset: () => { log.push('system reset') },
    isExecutable: entry => entry !== 0n,
  }
  return { log, call: (id: number, x1 = 0n, x2 = 0n, x3 = 0n) => firmwareCall(0, BigInt(id), x1, x2, x3, power) }
}
const x0 = (n: bigint) => ({ kind: 'value', x0: BigInt.asUintN(64, n) })

test('versions and features', () => {
  const { call } = machine()
  expect(call(PSCI.VERSION)).toEqual(x0(0x10000n))
  expect(call(PSCI.SMCCC_VERSION)).toEqual(x0(0x10001n))
  expect(call(PSCI.FEATURES, 0xc4000003n)).toEqual(x0(0n))
  expect(call(PSCI.FEATURES, 0x84000014n)).toEqual(x0(-1n))
  expect(call(PSCI.MIGRATE_INFO_TYPE)).toEqual(x0(2n))
})

test('CPU_ON: starts an off PE, and says why not otherwise', () => {
  const { call, log } = machine()
  expect(call(0xc4000003, 1n, 0x4000_0000n, 7n)).toEqual(x0(0n))
  expect(log).toEqual(['on 1 1073741824 7'])
  expect(call(0xc4000003, 0n, 4n)).toEqual(x0(-4n))
  expect(call(0xc4000003, 2n, 4n)).toEqual(x0(-5n))
  expect(call(0xc4000003, 9n, 4n)).toEqual(x0(-2n))
  expect(call(0xc4000003, 1n, 0n)).toEqual(x0(-9n))
})

test('AFFINITY_INFO, CPU_OFF, SYSTEM_OFF and SYSTEM_RESET', () => {
  const { call, log } = machine()
  expect([0n, 1n, 2n].map(pe => call(0xc4000004, pe))).toEqual([x0(0n), x0(1n), x0(2n)])
  expect(call(PSCI.CPU_OFF)).toEqual({ kind: 'gone' })
  expect(call(PSCI.SYSTEM_OFF)).toEqual({ kind: 'gone' })
  expect(call(PSCI.SYSTEM_RESET)).toEqual({ kind: 'gone' })
  expect(log).toEqual(['off 0', 'system off', 'system reset'])
})

test('unknown fast calls are NOT_SUPPORTED, anything else is no call', () => {
  const { call } = machine()
  expect(call(0x8600_ff01)).toEqual(x0(-1n))
  expect(call(0x4b00_0000)).toEqual({ kind: 'unknown' })
})
