/**
 * A Linux program, written instruction by instruction, that runs test cases under qemu-aarch64: for each it loads a full register state
 * from a record, runs the case, stores the full state into the same record, and at the end writes all records to standard output.
 *
 * While a case runs, no register is the program's: TPIDR_EL0 receives X0 afterwards, and the current record is found with a literal load.
 */
import { encode } from '../../src/isa/encode.ts'
import { elfExecutable } from './elf.ts'
import { BRANCH_PAD_OFFSET, CODE_ADDRESS, MAXIMUM_CASES, MAXIMUM_WORDS, MINIMUM_SLOTS, SLOT_BYTES, slotAddress } from './layout.ts'
import { copyState, createState, type Result, type TestCase, WINDOW_ADDRESS, WINDOW_BYTES } from './subject.ts'

const DATA_ADDRESS = 0x1000_0000n, CURRENT = DATA_ADDRESS + 0x800n
const SIGACTION = DATA_ADDRESS + 0x100n, SIGSTACK = DATA_ADDRESS + 0x180n
const STACK = DATA_ADDRESS + 0x4000n, STACK_BYTES = 0x8000n, DATA_BYTES = 0xc000
const DRIVER_ADDRESS = 0x100e_0000n
const RECORDS_ADDRESS = 0x1080_0000n

/** Offsets in a record. */
const AT = { x: 0, sp: 248, v: 256, nzcv: 768, pc: 776, signal: 784, fpcr: 792, fpsr: 800, window: 816 }
const RECORD_BYTES = AT.window + WINDOW_BYTES

const SYS = { write: 64, exit: 94, sigaltstack: 132, rt_sigaction: 134 }
const SIGILL = 4, CAUGHT = [4, 5, 7, 8, 11]
const NZCV_KEY = { o0: 1, op1: 3, CRn: 4, CRm: 2, op2: 0 }, TPIDR_EL0 = { o0: 1, op1: 3, CRn: 13, CRm: 0, op2: 2 }
const FP_KEYS = [['fpcr', { o0: 1, op1: 3, CRn: 4, CRm: 4, op2: 0 }], ['fpsr', { o0: 1, op1: 3, CRn: 4, CRm: 4, op2: 1 }]] as const

/** Emits words at increasing addresses; labels are filled in by a second pass over the same emission. */
class Emitter {
  readonly words: number[] = []
  readonly #start: bigint
  readonly #labels: Map<string, bigint>
  constructor(start: bigint, labels: Map<string, bigint>) { this.#start = start; this.#labels = labels }
  get here(): bigint { return this.#start + BigInt(4 * this.words.length) }
  label(name: string): void { this.#labels.set(name, this.here) }
  /** Distance to a label or an address in words, as a field of `bits`. */
  to(target: string | bigint, bits: number): number {
    const address = typeof target === 'string' ? this.#labels.get(target) ?? this.here : target
    return Number((address - this.here) >> 2n) & (2 ** bits - 1)
  }
  emit(row: string, fields: Readonly<Record<string, number>> = {}): void { this.words.push(encode(row, fields)) }
  move(Rd: number, value: bigint): void {
    this.emit('MOVZ', { sf: 1, Rd, imm16: Number(value & 0xffffn) })
    for (let hw = 1; value >> BigInt(16 * hw) > 0n; hw++) this.emit('MOVK', { sf: 1, Rd, hw, imm16: Number((value >> BigInt(16 * hw)) & 0xffffn) })
  }
  branch(target: string | bigint): void { this.emit('B', { imm26: this.to(target, 26) }) }
  syscall(number: number): void {
    this.move(8, BigInt(number))
    this.emit('SVC')
  }
}

const pair = (offset: number, scale: number): number => (offset / scale) & 0x7f
const GP_PAIR = { sf: 1, Rn: 0 }, Q_PAIR = { opc: 2, Rn: 0 }

function emitDriver(e: Emitter, count: number): void {
  e.label('start')
  for (const signal of CAUGHT) {
    e.move(0, BigInt(signal))
    e.move(1, SIGACTION)
    e.move(2, 0n)
    e.move(3, 8n)
    e.syscall(SYS.rt_sigaction)
  }
  e.move(0, SIGSTACK)
  e.move(1, 0n)
  e.syscall(SYS.sigaltstack)
  e.branch('run')

  // Signal handler: X0 is the signal. The signal frame is abandoned; SA_NODEFER leaves the signal unblocked.
  e.label('handler')
  e.emit('LDR (literal)', { sf: 1, imm19: e.to(CURRENT, 19), Rt: 1 })
  e.emit('STR (immediate, unsigned offset)', { sf: 1, imm12: AT.signal / 8, Rn: 1, Rt: 0 })
  e.branch('next')

  // From a landing pad: X0 is the record, X30 the address reached and already saved as a register.
  e.label('save')
  e.emit('STR (immediate, unsigned offset)', { sf: 1, imm12: AT.pc / 8, Rn: 0, Rt: 30 })
  e.emit('MRS', { ...TPIDR_EL0, Rt: 30 })
  e.emit('STR (immediate, unsigned offset)', { sf: 1, imm12: AT.x / 8, Rn: 0, Rt: 30 })
  for (let n = 1; n < 29; n += 2) e.emit('STP (signed offset)', { ...GP_PAIR, imm7: pair(AT.x + 8 * n, 8), Rt: n, Rt2: n + 1 })
  e.emit('STR (immediate, unsigned offset)', { sf: 1, imm12: AT.x / 8 + 29, Rn: 0, Rt: 29 })
  e.emit('ADD (immediate)', { sf: 1, Rd: 1, Rn: 31 })
  e.emit('STR (immediate, unsigned offset)', { sf: 1, imm12: AT.sp / 8, Rn: 0, Rt: 1 })
  e.emit('MRS', { ...NZCV_KEY, Rt: 1 })
  e.emit('STR (immediate, unsigned offset)', { sf: 1, imm12: AT.nzcv / 8, Rn: 0, Rt: 1 })
  for (const [name, key] of FP_KEYS) {
    e.emit('MRS', { ...key, Rt: 1 })
    e.emit('STR (immediate, unsigned offset)', { sf: 1, imm12: AT[name] / 8, Rn: 0, Rt: 1 })
  }
  for (let n = 0; n < 32; n += 2) e.emit('STP (SIMD&FP, signed offset)', { ...Q_PAIR, imm7: pair(AT.v + 16 * n, 16), Vt: n, Vt2: n + 1 })
  e.move(1, WINDOW_ADDRESS)
  copyWindow(e, 1, 0, 0, AT.window)

  e.label('next')
  e.emit('LDR (literal)', { sf: 1, imm19: e.to(CURRENT, 19), Rt: 0 })
  e.emit('ADD (immediate)', { sf: 1, Rd: 0, Rn: 0, imm12: RECORD_BYTES })
  e.move(1, CURRENT)
  e.emit('STR (immediate, unsigned offset)', { sf: 1, imm12: 0, Rn: 1, Rt: 0 })

  e.label('run')
  e.emit('CLREX', { CRm: 15 })
  e.emit('LDR (literal)', { sf: 1, imm19: e.to(CURRENT, 19), Rt: 0 })
  e.move(1, RECORDS_ADDRESS + BigInt(RECORD_BYTES * count))
  e.emit('SUBS (shifted register), LSL #0', { sf: 1, Rd: 31, Rn: 0, Rm: 1 })
  e.emit('B.cond', { cond: 0, imm19: e.to('finish', 19) })
  e.move(1, WINDOW_ADDRESS)
  copyWindow(e, 0, AT.window, 1, 0)
  for (let n = 0; n < 32; n += 2) e.emit('LDP (SIMD&FP, signed offset)', { ...Q_PAIR, imm7: pair(AT.v + 16 * n, 16), Vt: n, Vt2: n + 1 })
  e.emit('LDR (immediate, unsigned offset)', { sf: 1, imm12: AT.nzcv / 8, Rn: 0, Rt: 1 })
  e.emit('MSR (register)', { ...NZCV_KEY, Rt: 1 })
  for (const [name, key] of FP_KEYS) {
    e.emit('LDR (immediate, unsigned offset)', { sf: 1, imm12: AT[name] / 8, Rn: 0, Rt: 1 })
    e.emit('MSR (register)', { ...key, Rt: 1 })
  }
  e.emit('LDR (immediate, unsigned offset)', { sf: 1, imm12: AT.sp / 8, Rn: 0, Rt: 1 })
  e.emit('ADD (immediate)', { sf: 1, Rd: 31, Rn: 1 })
  for (let n = 1; n < 29; n += 2) e.emit('LDP (signed offset)', { ...GP_PAIR, imm7: pair(AT.x + 8 * n, 8), Rt: n, Rt2: n + 1 })
  e.emit('LDR (immediate, unsigned offset)', { sf: 1, imm12: AT.x / 8 + 29, Rn: 0, Rt: 29 })
  e.emit('LDR (immediate, unsigned offset)', { sf: 1, imm12: AT.pc / 8, Rn: 0, Rt: 30 })
  e.emit('BR', { Rn: 30 })

  e.label('finish')
  e.move(19, RECORDS_ADDRESS)
  e.move(20, BigInt(RECORD_BYTES * count))
  e.label('write')
  e.move(0, 1n)
  e.emit('ADD (immediate)', { sf: 1, Rd: 1, Rn: 19 })
  e.emit('ADD (immediate)', { sf: 1, Rd: 2, Rn: 20 })
  e.syscall(SYS.write)
  e.emit('ADD (shifted register), LSL #0', { sf: 1, Rd: 19, Rn: 19, Rm: 0 })
  e.emit('SUBS (shifted register), LSL #0', { sf: 1, Rd: 20, Rn: 20, Rm: 0 })
  e.emit('B.cond', { cond: 12, imm19: e.to('write', 19) })
  e.move(0, 0n)
  e.syscall(SYS.exit)
}

/** Copies the window from [Xfrom + fromOffset] to [Xto + toOffset] through X3 and X4. */
function copyWindow(e: Emitter, from: number, fromOffset: number, to: number, toOffset: number): void {
  for (let i = 0; i < WINDOW_BYTES; i += 8) {
    e.emit('LDR (immediate, unsigned offset)', { sf: 1, imm12: (fromOffset + i) / 8, Rn: from, Rt: 3 })
    e.emit('STR (immediate, unsigned offset)', { sf: 1, imm12: (toOffset + i) / 8, Rn: to, Rt: 3 })
  }
}

function emitPad(e: Emitter, save: bigint): void {
  const pad = e.here
  e.emit('MSR (register)', { ...TPIDR_EL0, Rt: 0 })
  e.emit('LDR (literal)', { sf: 1, imm19: e.to(CURRENT, 19), Rt: 0 })
  e.emit('STR (immediate, unsigned offset)', { sf: 1, imm12: AT.x / 8 + 30, Rn: 0, Rt: 30 })
  const back = Number(pad - e.here)
  e.emit('ADR', { Rd: 30, immlo: back & 3, immhi: (back >> 2) & 0x7_ffff })
  e.branch(save)
}

/** The program for `cases`, whose entries are the slots in order. */
export function qemuProgram(cases: readonly TestCase[]): Uint8Array {
  if (cases.length > MAXIMUM_CASES) throw new Error(`${cases.length} cases do not fit one program`)
  const labels = new Map<string, bigint>()
  emitDriver(new Emitter(DRIVER_ADDRESS, labels), cases.length)
  const driver = new Emitter(DRIVER_ADDRESS, labels)
  emitDriver(driver, cases.length)

  const code = new Emitter(CODE_ADDRESS, new Map())
  for (let i = 0; i < Math.max(cases.length, MINIMUM_SLOTS); i++) {
    const words = cases[i]?.words ?? []
    if (words.length > MAXIMUM_WORDS) throw new Error(`a case of ${words.length} words does not fit a slot`)
    code.emit('LDR (immediate, unsigned offset)', { sf: 1, imm12: AT.x / 8 + 30, Rn: 0, Rt: 30 })
    code.emit('LDR (immediate, unsigned offset)', { sf: 1, imm12: AT.x / 8, Rn: 0, Rt: 0 })
    code.words.push(...words)
    emitPad(code, labels.get('save')!)
    while (code.words.length * 4 < i * SLOT_BYTES + BRANCH_PAD_OFFSET) code.emit('NOP')
    emitPad(code, labels.get('save')!)
  }
  const bytesOf = (words: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer)

  const data = new DataView(new ArrayBuffer(DATA_BYTES))
  const atData = (address: bigint): number => Number(address - DATA_ADDRESS)
  data.setBigUint64(atData(CURRENT), RECORDS_ADDRESS, true)
  // struct sigaction: handler, flags (SA_ONSTACK | SA_NODEFER), restorer, mask. stack_t: address, flags, size.
  data.setBigUint64(atData(SIGACTION), labels.get('handler')!, true)
  data.setBigUint64(atData(SIGACTION) + 8, 0x4800_0000n, true)
  data.setBigUint64(atData(SIGSTACK), STACK, true)
  data.setBigUint64(atData(SIGSTACK) + 16, STACK_BYTES, true)

  const records = new DataView(new ArrayBuffer(RECORD_BYTES * Math.max(cases.length, 1)))
  cases.forEach(({ state }, i) => {
    const at = i * RECORD_BYTES
    state.x.forEach((value, n) => { records.setBigUint64(at + AT.x + 8 * n, value, true) })
    state.v.forEach((value, n) => { records.setBigUint64(at + AT.v + 8 * n, value, true) })
    records.setBigUint64(at + AT.sp, state.sp, true)
    records.setBigUint64(at + AT.nzcv, BigInt(state.nzcv) << 28n, true)
    records.setBigUint64(at + AT.fpcr, BigInt(state.fpcr), true)
    records.setBigUint64(at + AT.fpsr, BigInt(state.fpsr), true)
    records.setBigUint64(at + AT.pc, slotAddress(i), true)
    new Uint8Array(records.buffer).set(state.window, at + AT.window)
  })
  return elfExecutable(labels.get('start')!, [
    { address: DATA_ADDRESS, bytes: new Uint8Array(data.buffer), flags: 'rw' },
    { address: CODE_ADDRESS, bytes: bytesOf(code.words), flags: 'rx' },
    { address: DRIVER_ADDRESS, bytes: bytesOf(driver.words), flags: 'rx' },
    { address: RECORDS_ADDRESS, bytes: new Uint8Array(records.buffer), flags: 'rw' },
  ])
}

/** Results from what the program wrote. */
export function parseRecords(output: Uint8Array, count: number): readonly Result[] {
  if (output.length !== RECORD_BYTES * count) throw new Error(`the program wrote ${output.length} bytes instead of ${RECORD_BYTES * count}`)
  const view = new DataView(output.buffer, output.byteOffset, output.length)
  return Array.from({ length: count }, (_, i): Result => {
    const at = i * RECORD_BYTES, signal = Number(view.getBigUint64(at + AT.signal, true))
    if (signal === SIGILL) return { kind: 'undefined' }
    if (signal !== 0) return { kind: 'other', detail: `signal ${signal}` }
    const state = copyState(createState())
    for (let n = 0; n < 31; n++) state.x[n] = view.getBigUint64(at + AT.x + 8 * n, true)
    for (let n = 0; n < 64; n++) state.v[n] = view.getBigUint64(at + AT.v + 8 * n, true)
    state.sp = view.getBigUint64(at + AT.sp, true)
    state.nzcv = Number(view.getBigUint64(at + AT.nzcv, true) >> 28n) & 15
    state.fpcr = view.getUint32(at + AT.fpcr, true)
    state.fpsr = view.getUint32(at + AT.fpsr, true)
    state.pc = view.getBigUint64(at + AT.pc, true)
    state.window.set(output.subarray(at + AT.window, at + AT.window + WINDOW_BYTES))
    return { kind: 'state', state }
  })
}
