/**
 * Address translation instructions of L1, done in software on virtual registers and L1's tables (nested-arch.md c.7): the machine's
 * AT would use the tables of virtual EL2, and would fault where a shadow table is only not filled yet.
 */
import { SLOT } from '../../sysreg/index.ts'
import type { Row } from '../../sysreg/index.ts'
import { atOperation, atRegime, performAt, stage1Regime, stage2Regime } from '../../mmu/index.ts'
import { PSTATE } from '../../arch/pstate.ts'
import type { Core } from '../core.ts'
import { put } from '../switch.ts'
import { HCR } from '../traps.ts'
import type { Vcpu } from '../vcpu.ts'
import { WORK } from '../work.ts'
import { shadowToVirtual } from './virtual-el2.ts'

/** Result to PAR_EL1. Undefined: an External abort on a walk, which the caller injects. */
export function emulateAt(core: Core, vcpu: Vcpu, row: Row, va: bigint): bigint | undefined {
  const nested = vcpu.nested!, { host } = vcpu.pe, { features } = vcpu.vm.config
  const operation = atOperation(row.name)
  if (operation === undefined) return 1n
  // The registers that control translation, all in the virtual file.
  put(core.policy, vcpu, host, core.gic)
  nested.copyPage()
  shadowToVirtual(vcpu)
  const file = vcpu.virtual, tge = (nested.get(SLOT.HCR_EL2) & HCR.TGE) !== 0n
  const kind = atRegime(operation, nested.virtualE2H, tge)
  const stage1 = stage1Regime(file, SLOT, features, kind)
  const stage2 = kind === 'EL1&0' ? stage2Regime(file, SLOT, features) : undefined
  const before = nested.descriptors.reads
  const par = performAt(operation, stage1, stage2, va, (vcpu.pstate & PSTATE.PAN) !== 0, 2, nested.descriptors, nested.walk)
  host.charge(WORK.walk, nested.descriptors.reads - before)
  return par
}
