/**
 * What becomes of each instruction of a guest hypervisor when its binary is rewritten for a machine without FEAT_NV (design D7).
 *
 * Nothing is listed by hand: the answer is the difference between `resolve()` on the machine that is imitated (v8.3 for the NV form,
 * the paper's NEVE for the other) and on the machine at hand, both for EL1 with the controls that L0 sets in vEL2.
 */
import { EC, encodingKey, type EncodingKey } from '../../arch/esr.ts'
import { profile } from '../../arch/features.ts'
import type { GicVersion } from '../../arch/gic.ts'
import { createRegisterFile } from '../../arch/register-file.ts'
import { resolve, rowByKey, SLOT, SLOTS, type Controls } from '../../sysreg/index.ts'
import { immediateOf, type Standin } from './encoding.ts'

export type ParavirtForm = 'nv' | 'neve'
export type GuestHypervisorKind = 'nvhe' | 'vhe'

export interface Imitation {
  readonly form: ParavirtForm
  readonly guest: GuestHypervisorKind
  readonly gic: GicVersion
}

export type Replacement =
  | { readonly kind: 'keep' }
  /** `hvc #immediate`. */
  | { readonly kind: 'hvc', readonly immediate: number }
  /** Rt takes a value that is known now: CurrentEL reads as EL2. */
  | { readonly kind: 'constant', readonly Rt: number, readonly value: number }
  /** 64-bit load or store of Rt at the page + offset; `hvc` is what stands there where the page cannot be reached. */
  | { readonly kind: 'load' | 'store', readonly Rt: number, readonly offset: number, readonly immediate: number }
  /** The same MRS or MSR on another register. */
  | { readonly kind: 'redirect', readonly word: number }
  /** It would have to be replaced and cannot be: `reason` goes to the report. */
  | { readonly kind: 'refused', readonly reason: string }

const KEEP: Replacement = { kind: 'keep' }
const CURRENT_EL = encodingKey(3, 0, 4, 2, 2)
const ERET = 0xd69f_03e0 | 0
/** APK and API: keys are the VM's own where it has FEAT_PAuth. */
const HCR = { TVM: 1n << 26n, TRVM: 1n << 30n, APK: 1n << 40n, API: 1n << 41n, NV: 1n << 42n, NV1: 1n << 43n }
const CPTR_TCPAC = 1n << 31n
const VNCR_ENABLE = 1n

export type Classifier = (word: number) => Replacement

/** Controls in vEL2 as L0 sets them on the imitated machine and on a machine without FEAT_NV. */
function controlsOf({ form, guest, gic }: Imitation): { readonly imitated: Controls, readonly real: Controls } {
  const imitated = createRegisterFile(SLOTS), real = createRegisterFile(SLOTS)
  // The EL1 names of an nVHE guest hypervisor mean its VM: L0 traps them (v8.3, and v8.0 in the NV form) or the page holds them (NEVE).
  const vmRegisters = guest === 'nvhe' && form === 'nv' ? HCR.TVM | HCR.TRVM : 0n
  imitated.u64[SLOT.HCR_EL2] = HCR.APK | HCR.API | HCR.NV | (guest === 'nvhe' ? HCR.NV1 : 0n) | vmRegisters
  imitated.u64[SLOT.VNCR_EL2] = form === 'neve' ? VNCR_ENABLE : 0n
  real.u64[SLOT.HCR_EL2] = vmRegisters
  if (guest === 'nvhe' && form === 'nv') imitated.u64[SLOT.CPTR_EL2] = real.u64[SLOT.CPTR_EL2] = CPTR_TCPAC
  return {
    imitated: { file: imitated, features: profile(form === 'nv' ? 'v8.3' : 'neve').features, gicVersion: gic },
    real: { file: real, features: profile('v8.0').features, gicVersion: gic },
  }
}

export function classifier(imitation: Imitation): Classifier {
  const { imitated, real } = controlsOf(imitation)

  function system(word: number): Replacement {
    const key: EncodingKey = (word >>> 5) & 0xffff, Rt = word & 31
    const read = ((word >>> 21) & 1) === 1, direction = read ? 'read' : 'write'
    if (key === CURRENT_EL && read) return { kind: 'constant', Rt, value: 2 << 2 }
    const row = rowByKey(key)
    if (row === undefined) return KEEP
    const wanted = resolve(row, direction, 1, imitated), actual = resolve(row, direction, 1, real)
    const standin: Standin = row.kind === 'instruction' ? { kind: 'instruction', key, Rt } : { kind: 'register', key, Rt, read }
    switch (wanted.kind) {
      case 'undefined': return KEEP
      case 'register': {
        if (wanted.row.key === key) return KEEP
        // A read of MIDR_EL1 that returns VPIDR_EL2 is no redirection that anybody has to write down.
        if (actual.kind === 'register' && actual.row === wanted.row) return KEEP
        return { kind: 'redirect', word: (word & ~(0xffff << 5)) | (wanted.row.key << 5) }
      }
      case 'memory': {
        const immediate = immediateOf(standin)
        if (immediate === undefined) return { kind: 'refused', reason: `${row.name} has no hvc` }
        return { kind: read ? 'load' : 'store', Rt, offset: wanted.offset, immediate }
      }
      case 'trap': {
        if (actual.kind === 'trap' || wanted.ec !== EC.SystemRegister) return KEEP
        const immediate = immediateOf(standin)
        return immediate === undefined ? { kind: 'refused', reason: `${row.name} has no hvc` } : { kind: 'hvc', immediate }
      }
    }
  }

  return word => {
    if ((word | 0) === ERET) return { kind: 'hvc', immediate: immediateOf({ kind: 'eret' })! }
    // MSR (register), MRS, SYS, SYSL: bits 31:22 = 1101010100 and op0 not 0.
    return (word & 0xffc0_0000) === (0xd500_0000 | 0) && (word & 0x0018_0000) !== 0 ? system(word | 0) : KEEP
  }
}
