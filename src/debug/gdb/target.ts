/** What GDB is told of registers and memory: target description (XML), register numbers, packets `g` and `p`. */
import type { Machine } from '../../machine/machine.ts'
import type { Row } from '../../sysreg/index.ts'
import { systemRegistersOf } from '../system-registers.ts'
import type { ThreadRegisters } from '../thread-registers.ts'
import { littleEndian } from './packet.ts'

/** Numbers in the order of the description. */
export const REGISTER = { SP: 31, PC: 32, CPSR: 33, V: 34, FPSR: 66, FPCR: 67, SYSTEM: 68 } as const

/** In the general and floating-point features under another name. */
const ELSEWHERE = new Set(['FPCR', 'FPSR'])

export interface Target {
  readonly xml: string
  /** Of register number REGISTER.SYSTEM + n. */
  readonly system: readonly Row[]
}

/** `info registers GROUP`. */
function groupOf({ name, minimumEL }: Row): string {
  if (/^IC[CHV]_/.test(name)) return 'gic'
  if (/^(ID_|MIDR|MPIDR|REVIDR|AIDR|CTR_|DCZID|CLIDR|CCSIDR|CSSELR|MVFR)/.test(name)) return 'id'
  if (name.startsWith('CNT')) return 'timer'
  if (name.startsWith('PM')) return 'pmu'
  if (/^(DBG|MD|OS)/.test(name)) return 'debug'
  return `el${minimumEL}`
}

export function createTarget(machine: Machine): Target {
  const system = systemRegistersOf(machine).filter(({ name }) => !ELSEWHERE.has(name))
  const x = Array.from({ length: 31 }, (_, n) => `<reg name="x${n}" bitsize="64"/>`).join('')
  const v = Array.from({ length: 32 }, (_, n) => `<reg name="v${n}" bitsize="128" type="aarch64v"/>`).join('')
  const flags = [['SP', 0, 0], ['EL', 2, 3], ['nRW', 4, 4], ['F', 6, 6], ['I', 7, 7], ['A', 8, 8], ['D', 9, 9], ['IL', 20, 20], ['SS', 21, 21], ['PAN', 22, 22], ['UAO', 23, 23], ['V', 28, 28], ['C', 29, 29], ['Z', 30, 30], ['N', 31, 31]]
    .map(([name, start, end]) => `<field name="${name}" start="${start}" end="${end}"/>`).join('')
  const vectors = [['v2d', 'ieee_double', 2], ['v2u', 'uint64', 2], ['v2i', 'int64', 2], ['v4f', 'ieee_single', 4], ['v4u', 'uint32', 4], ['v4i', 'int32', 4], ['v8u', 'uint16', 8], ['v8i', 'int16', 8], ['v16u', 'uint8', 16], ['v16i', 'int8', 16], ['v1u', 'uint128', 1], ['v1i', 'int128', 1]]
    .map(([id, type, count]) => `<vector id="${id}" type="${type}" count="${count}"/>`).join('')
  const unions = [['vnd', ['f:v2d', 'u:v2u', 's:v2i']], ['vns', ['f:v4f', 'u:v4u', 's:v4i']], ['vnh', ['u:v8u', 's:v8i']], ['vnb', ['u:v16u', 's:v16i']], ['vnq', ['u:v1u', 's:v1i']]] as const
  const union = (id: string, fields: readonly string[]): string => `<union id="${id}">${fields.map(field => `<field name="${field.split(':')[0]}" type="${field.split(':')[1]}"/>`).join('')}</union>`
  return {
    system,
    xml: [
      '<?xml version="1.0"?>', '<!DOCTYPE target SYSTEM "gdb-target.dtd">', '<target version="1.0">', '<architecture>aarch64</architecture>',
      `<feature name="org.gnu.gdb.aarch64.core"><flags id="cpsr_flags" size="4">${flags}</flags>${x}`,
      '<reg name="sp" bitsize="64" type="data_ptr"/><reg name="pc" bitsize="64" type="code_ptr"/><reg name="cpsr" bitsize="32" type="cpsr_flags"/></feature>',
      `<feature name="org.gnu.gdb.aarch64.fpu">${vectors}${unions.map(([id, fields]) => union(id, fields)).join('')}${union('aarch64v', ['d:vnd', 's:vns', 'h:vnh', 'b:vnb', 'q:vnq'])}${v}`,
      '<reg name="fpsr" bitsize="32"/><reg name="fpcr" bitsize="32"/></feature>',
      `<feature name="org.nidus.aarch64.system">${system.map(row => `<reg name="${row.name}" bitsize="64" type="uint64" group="${groupOf(row)}" save-restore="no"/>`).join('')}</feature>`,
      '</target>', '',
    ].join('\n'),
  }
}

/** Addresses are virtual: anything may be memory at any time. Two regions, because one of 2^64 bytes has no length. */
export const MEMORY_MAP = [
  '<?xml version="1.0"?>', '<!DOCTYPE memory-map PUBLIC "+//IDN gnu.org//DTD GDB Memory Map V1.0//EN" "http://sourceware.org/gdb/gdb-memory-map.dtd">', '<memory-map>',
  '<memory type="ram" start="0x0" length="0x8000000000000000"/>', '<memory type="ram" start="0x8000000000000000" length="0x8000000000000000"/>', '</memory-map>', '',
].join('\n')

/** Bytes of a register that is not a system register. */
export const sizeOf = (n: number): number => n === REGISTER.CPSR || n === REGISTER.FPSR || n === REGISTER.FPCR ? 4 : n >= REGISTER.V && n < REGISTER.FPSR ? 16 : 8

/** In hexadecimal, little-endian; undefined for a number beyond the floating-point feature. */
export function readRegister(registers: ThreadRegisters, n: number): string | undefined {
  if (n < REGISTER.SP) return littleEndian(registers.x(n), 8)
  if (n === REGISTER.SP) return littleEndian(registers.sp(), 8)
  if (n === REGISTER.PC) return littleEndian(registers.pc(), 8)
  if (n === REGISTER.CPSR) return littleEndian(BigInt(registers.pstate() >>> 0), 4)
  if (n < REGISTER.FPSR) return littleEndian(registers.v(n - REGISTER.V, 0), 8) + littleEndian(registers.v(n - REGISTER.V, 1), 8)
  if (n === REGISTER.FPSR) return littleEndian(registers.fpsr(), 4)
  return n === REGISTER.FPCR ? littleEndian(registers.fpcr(), 4) : undefined
}

/** False for a number beyond the floating-point feature. Throws Refused. */
export function writeRegister(registers: ThreadRegisters, n: number, value: bigint): boolean {
  if (n < REGISTER.SP) registers.setX(n, value)
  else if (n === REGISTER.SP) registers.setSp(value)
  else if (n === REGISTER.PC) registers.setPc(value)
  else if (n === REGISTER.CPSR) registers.setPstate(Number(value & 0xffff_ffffn) | 0)
  else if (n < REGISTER.FPSR) {
    registers.setV(n - REGISTER.V, 0, BigInt.asUintN(64, value))
    registers.setV(n - REGISTER.V, 1, value >> 64n)
  } else if (n === REGISTER.FPSR) registers.setFpsr(value)
  else if (n === REGISTER.FPCR) registers.setFpcr(value)
  else return false
  return true
}
