/**
 * Exception classes and syndromes (Arm ARM D24.2.40 "ESR_EL2"). A syndrome is the low 32 bits of ESR_ELx:
 * EC[31:26], IL[25], ISS[24:0]. Nobody else shifts these bits.
 */

export const EC = {
  Unknown: 0x00, WFx: 0x01, FPAdvSIMD: 0x07, PAuth: 0x09, IllegalState: 0x0e,
  SVC64: 0x15, HVC64: 0x16, SMC64: 0x17, SystemRegister: 0x18, ERET: 0x1a, PACFail: 0x1c,
  InstructionAbortLower: 0x20, InstructionAbortSame: 0x21, PCAlignment: 0x22,
  DataAbortLower: 0x24, DataAbortSame: 0x25, SPAlignment: 0x26, FPException: 0x2c, SError: 0x2f,
  BreakpointLower: 0x30, BreakpointSame: 0x31, SoftwareStepLower: 0x32, SoftwareStepSame: 0x33,
  WatchpointLower: 0x34, WatchpointSame: 0x35, BRK64: 0x3c,
} as const
export type ExceptionClass = (typeof EC)[keyof typeof EC]

const IL = 1 << 25
const syndromeOf = (ec: number, iss: number): number => (((ec << 26) | IL | (iss & 0x1ff_ffff)) >>> 0)

export const ecOf = (syndrome: number): number => syndrome >>> 26

/** Of an exception from a system instruction or an ERET: one stands where it was taken from. */
export const isFromSystemInstruction = (syndrome: number): boolean => ecOf(syndrome) === EC.SystemRegister || ecOf(syndrome) === EC.ERET
export const issOf = (syndrome: number): number => syndrome & 0x1ff_ffff

export function ecName(ec: number): string {
  return Object.entries(EC).find(([, value]) => value === ec)?.[0] ?? `EC 0x${ec.toString(16)}`
}

/** A system register encoding as op0:op1:CRn:CRm:op2 in 16 bits, the order of bits [20:5] of MSR and MRS. */
export type EncodingKey = number
export const encodingKey = (op0: number, op1: number, CRn: number, CRm: number, op2: number): EncodingKey =>
  (op0 << 14) | (op1 << 11) | (CRn << 7) | (CRm << 3) | op2

export interface DataAbortIss {
  /** 6-bit DFSC. */
  readonly dfsc: number
  readonly write: boolean
  readonly s1ptw?: boolean
  readonly cm?: boolean
  /** From an access to VNCR_EL2 memory (ISS[13]). */
  readonly vncr?: boolean
  /** Present when ISV=1. `sas` is log2 of the size in bytes; `sf` 1 for a 64-bit register. */
  readonly isv?: { readonly sas: number, readonly sse: boolean, readonly srt: number, readonly sf: boolean, readonly ar: boolean }
}

export const syndrome = {
  /** EC 0: an UNDEFINED instruction. */
  unknown: (): number => syndromeOf(EC.Unknown, 0),
  illegalState: (): number => syndromeOf(EC.IllegalState, 0),
  svc: (imm16: number): number => syndromeOf(EC.SVC64, imm16),
  hvc: (imm16: number): number => syndromeOf(EC.HVC64, imm16),
  smc: (imm16: number): number => syndromeOf(EC.SMC64, imm16),
  brk: (imm16: number): number => syndromeOf(EC.BRK64, imm16),
  /** `ti`: 0 WFI, 1 WFE. COND=0b1110, CV=1. */
  wfx: (ti: 0 | 1): number => syndromeOf(EC.WFx, (1 << 24) | (0xe << 20) | ti),
  fpAdvSimd: (): number => syndromeOf(EC.FPAdvSIMD, (1 << 24) | (0xe << 20)),
  pauth: (): number => syndromeOf(EC.PAuth, 0),
  /** `form`: 0 ERET, 2 ERETAA, 3 ERETAB. */
  eret: (form: 0 | 2 | 3): number => syndromeOf(EC.ERET, form),
  systemRegister: (key: EncodingKey, Rt: number, read: boolean): number => {
    const op0 = key >>> 14, op1 = (key >>> 11) & 7, CRn = (key >>> 7) & 15, CRm = (key >>> 3) & 15, op2 = key & 7
    return syndromeOf(EC.SystemRegister, (op0 << 20) | (op2 << 17) | (op1 << 14) | (CRn << 10) | (Rt << 5) | (CRm << 1) | (read ? 1 : 0))
  },
  dataAbort: (same: boolean, a: DataAbortIss): number => syndromeOf(same ? EC.DataAbortSame : EC.DataAbortLower,
    (a.isv ? (1 << 24) | (a.isv.sas << 22) | ((a.isv.sse ? 1 : 0) << 21) | (a.isv.srt << 16) | ((a.isv.sf ? 1 : 0) << 15) | ((a.isv.ar ? 1 : 0) << 14) : 0)
    | ((a.vncr ? 1 : 0) << 13) | ((a.cm ? 1 : 0) << 8) | ((a.s1ptw ? 1 : 0) << 7) | ((a.write ? 1 : 0) << 6) | a.dfsc),
  instructionAbort: (same: boolean, ifsc: number, s1ptw = false): number =>
    syndromeOf(same ? EC.InstructionAbortSame : EC.InstructionAbortLower, ((s1ptw ? 1 : 0) << 7) | ifsc),
  pcAlignment: (): number => syndromeOf(EC.PCAlignment, 0),
  spAlignment: (): number => syndromeOf(EC.SPAlignment, 0),
  serror: (iss: number): number => syndromeOf(EC.SError, iss),
} as const

export interface SystemRegisterIss { readonly key: EncodingKey, readonly Rt: number, readonly read: boolean }
/** The mirror of `syndrome.systemRegister`. */
export function parseSystemRegister(iss: number): SystemRegisterIss {
  return {
    key: encodingKey((iss >>> 20) & 3, (iss >>> 14) & 7, (iss >>> 10) & 15, (iss >>> 1) & 15, (iss >>> 17) & 7),
    Rt: (iss >>> 5) & 31, read: (iss & 1) === 1,
  }
}

/** The mirror of `syndrome.dataAbort`'s ISS. */
export function parseDataAbort(iss: number): DataAbortIss {
  return {
    dfsc: iss & 0x3f, write: (iss & 0x40) !== 0, s1ptw: (iss & 0x80) !== 0, cm: (iss & 0x100) !== 0, vncr: (iss & 0x2000) !== 0,
    ...((iss >>> 24) & 1 ? { isv: { sas: (iss >>> 22) & 3, sse: (iss & (1 << 21)) !== 0, srt: (iss >>> 16) & 31, sf: (iss & (1 << 15)) !== 0, ar: (iss & (1 << 14)) !== 0 } } : {}),
  }
}

/** Fault status codes (DFSC/IFSC): add the lookup level 0..3 to the ones that have a level. */
export const FSC = {
  AddressSize: 0x00, Translation: 0x04, AccessFlag: 0x08, Permission: 0x0c,
  SyncExternal: 0x10, SyncExternalOnWalk: 0x14, Alignment: 0x21, TLBConflict: 0x30, Unsupported: 0x35,
} as const
