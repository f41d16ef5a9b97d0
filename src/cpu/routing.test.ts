import { expect, test } from 'vitest'
import { routePhysical, routeSynchronous, routeVirtual, routingMatrix } from './routing.ts'
import type { RoutingControls } from './routing.ts'

const none: RoutingControls = { el2: true, E2H: false, TGE: false, AMO: false, IMO: false, FMO: false }

test('the routing matrix', async () => {
  await expect(routingMatrix()).toMatchFileSnapshot('../../tests/golden/exception-routing.txt')
})

test('each mask override bit routes its own kind', () => {
  expect(routePhysical('IRQ', 1, { ...none, IMO: true })).toEqual({ target: 2, mask: 'always' })
  expect(routePhysical('FIQ', 1, { ...none, IMO: true })).toEqual({ target: 1, mask: 'pstate' })
  expect(routePhysical('SError', 0, { ...none, AMO: true })).toEqual({ target: 2, mask: 'always' })
  expect(routeVirtual('FIQ', 1, { ...none, IMO: true }).mask).toBe('never')
  expect(routeVirtual('FIQ', 1, { ...none, FMO: true }).mask).toBe('pstate')
})

test('at EL2 an interrupt that is routed to EL1 waits', () => {
  expect(routePhysical('IRQ', 2, none).mask).toBe('never')
  expect(routePhysical('IRQ', 2, { ...none, TGE: true, E2H: true })).toEqual({ target: 2, mask: 'pstate' })
})

test('EL0 goes to EL2 under TGE', () => {
  expect(routeSynchronous(0, none)).toBe(1)
  expect(routeSynchronous(0, { ...none, TGE: true })).toBe(2)
})
