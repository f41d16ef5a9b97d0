/** `monitor` commands of GDB (qRcmd): what no packet has. Output is text; a wrong command says what would be right. */
import { SLOT, rowByName } from '../../sysreg/index.ts'
import { traceText } from '../address.ts'
import type { Debugger } from '../debugger.ts'
import type { Thread } from '../levels.ts'
import { readSystemRegister, systemRegistersOf } from '../system-registers.ts'
import { registersOf } from '../thread-registers.ts'
import { trapsText } from '../trap-log.ts'

const HELP = [
  'xlate ADDRESS             the translations of a virtual address of this thread, down to the machine, with every descriptor',
  'who-trapped [N] [LEVEL]   the last N (10) traps to a hypervisor: where, why, what was done; of one level (L1, vEL2, L2)',
  'registers [PATTERN]       system registers of this thread by name; * stands for anything: ICH_LR*',
  'levels                    inferiors, with their threads and what each does',
  'help                      this',
].join('\n')

const MOST_TRAPS = 4096

export interface MonitorContext {
  readonly debugger: Debugger
  readonly thread: Thread
  readonly symbols: Symbols | undefined
}

/** Symbols at addresses of L1, for messages. `trapped`: where system instructions of it have trapped, by which a Linux kernel's place is found. */
export type Symbols = (trapped: readonly bigint[]) => (pc: bigint) => string | undefined

export function monitor({ debugger: target, thread, symbols }: MonitorContext, line: string): string {
  const [command = 'help', ...words] = line.trim().split(/\s+/).filter(word => word !== '')
  switch (command) {
    case 'help': return HELP
    case 'xlate': return xlate(target, thread, words[0])
    case 'who-trapped': return whoTrapped(target, words, symbols)
    case 'registers': return registers(target, thread, words[0] ?? '*')
    case 'levels': return levels(target)
    default: return `no such command: ${command}\n${HELP}`
  }
}

function xlate(target: Debugger, thread: Thread, text: string | undefined): string {
  const address = addressOf(target, thread, text ?? '')
  return address === undefined ? 'xlate ADDRESS: a number (0x... or decimal), pc, sp or x0 to x30' : traceText(target.addresses.trace(thread, address))
}

function addressOf(target: Debugger, thread: Thread, text: string): bigint | undefined {
  if (/^(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})$/.test(text)) return BigInt.asUintN(64, BigInt(text))
  const name = /^\$?(pc|sp|x([12]?[0-9]|30))$/.exec(text), registers = registersOf(target.levels, thread)
  if (name === null) return undefined
  return name[1] === 'pc' ? registers.pc() : name[1] === 'sp' ? registers.sp() : registers.x(Number(name[2]))
}

function whoTrapped(target: Debugger, words: readonly string[], symbols: Symbols | undefined): string {
  const count = words.find(word => /^-?[0-9]+$/.test(word)), level = words.find(word => word !== count)
  const most = Math.min(Math.abs(Number(count ?? 10)), MOST_TRAPS)
  const traps = target.traps.last(MOST_TRAPS), names = new Set(traps.map(trap => trap.level))
  if (level !== undefined && !names.has(level)) return `nothing of ${level} is among the last traps${names.size === 0 ? '' : `; levels seen: ${[...names].join(', ')}`}`
  const symbolAt = symbols?.(traps.filter(trap => trap.system && trap.level !== 'L2').map(({ pc }) => pc))
  return trapsText(target.traps, most, level, (of, pc) => of === 'L2' ? undefined : symbolAt?.(pc))
}

function registers(target: Debugger, thread: Thread, pattern: string): string {
  const expression = new RegExp(`^${pattern.replace(/[^\w*]/g, '').replaceAll('*', '.*')}$`, 'i')
  const rows = systemRegistersOf(target.machine).filter(({ name }) => expression.test(name))
  if (rows.length === 0) return `no system register matches ${pattern}`
  const width = Math.max(...rows.map(({ name }) => name.length))
  return rows.map(row => {
    const value = readSystemRegister(target.levels, thread, row)
    return `${row.name.padEnd(width)}  ${value === undefined ? 'not at this level' : `0x${value.toString(16).padStart(16, '0')}${fieldsText(row.name, value)}`}`
  }).join('\n')
}

/** Named fields that are not zero. */
function fieldsText(name: string, value: bigint): string {
  const fields = rowByName(name)?.fields?.filter(({ kind }) => kind !== 'RES1') ?? []
  const set = fields.map(({ name: field, high, low }) => [field, (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n)] as const).filter(([, bits]) => bits !== 0n)
  return set.length === 0 ? '' : `  ${set.map(([field, bits]) => bits === 1n ? field : `${field}=${bits < 10n ? bits : `0x${bits.toString(16)}`}`).join(' ')}`
}

function levels({ levels: all, machine }: Debugger): string {
  const vttbr = machine.cpu.core.el2 && all.l0 === undefined ? `, VTTBR_EL2 0x${machine.cpu.core.pe.file.u64[SLOT.VTTBR_EL2]!.toString(16)}` : ''
  return all.all.flatMap(level => [`${level.id}  ${level.name}${level.kind === 'machine' ? vttbr : ''}`, ...level.threads.map(thread => `   ${level.id}.${thread.id}  ${all.describe(thread)}`)]).join('\n')
}
