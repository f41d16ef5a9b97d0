/**
 * Breakpoints and watchpoints of a vCPU. DBGB<V,C>R<n>_EL1 and DBGW<V,C>R<n>_EL1 trap (MDCR_EL2.TDA, or the fine-grained traps where MDSCR_EL1 is in the VNCR_EL2 page)
 * and are kept in its file; the PE has those of the vCPU that runs while one of them is enabled, and none otherwise, as KVM gives its guests the registers when they are used.
 * Debug exceptions of a VM go to its own EL1: MDCR_EL2.TDE is 0. There are none within virtual EL2 (MDSCR_EL1 there is not the PE's).
 */
import { BREAKPOINTS, WATCHPOINTS, rowByName } from '../sysreg/index.ts'
import type { Host } from './host.ts'
import type { Vcpu } from './vcpu.ts'

const slotOf = (name: string): number => rowByName(name)!.slot
const pairs = (kind: 'DBGB' | 'DBGW', count: number): readonly (readonly [value: number, control: number])[] =>
  Array.from({ length: count }, (_, n) => [slotOf(`${kind}VR${n}_EL1`), slotOf(`${kind}CR${n}_EL1`)] as const)
const PAIRS = [...pairs('DBGB', BREAKPOINTS), ...pairs('DBGW', WATCHPOINTS)]
const OWN: ReadonlySet<number> = new Set(PAIRS.flat())

/** HDFGRTR_EL2 and HDFGWTR_EL2: DBGBCRn, DBGBVRn, DBGWCRn, DBGWVRn. */
export const FINE_GRAINED = 0xfn

/** The vCPU has written a register of its file. */
export function debugWritten(vcpu: Vcpu, slot: number): void {
  if (OWN.has(slot) && vcpu.loaded) showBreakpoints(vcpu.pe.host, vcpu)
}

/** Gives the PE what is enabled; written only where it changes, controls last. */
export function showBreakpoints(host: Host, vcpu: Vcpu): void {
  const { virtual, pe: { written } } = vcpu
  for (let n = 0; n < PAIRS.length; n++) {
    const [value, control] = PAIRS[n]!, enabled = (virtual.i32[2 * control]! & 1) !== 0
    if (!enabled && written.i32[2 * control] === 0) continue
    if (enabled && written.u64[value] !== virtual.u64[value]) host.msr(value, written.u64[value] = virtual.u64[value]!)
    const wanted = enabled ? virtual.u64[control]! : 0n
    if (written.u64[control] !== wanted) host.msr(control, written.u64[control] = wanted)
  }
}
