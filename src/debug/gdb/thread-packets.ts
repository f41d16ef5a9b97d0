/**
 * Packets that read and write what one thread has: registers, memory, breakpoints and watchpoints. Each takes what stands behind the packet's
 * letter and gives the reply; what cannot be done throws `Refused`.
 */
import type { WatchKind } from '../breakpoints.ts'
import type { Debugger } from '../debugger.ts'
import type { Thread } from '../levels.ts'
import { readSystemRegister, writeSystemRegister } from '../system-registers.ts'
import { Refused, registersOf } from '../thread-registers.ts'
import { MOST_BYTES, escapeBinary, fromLittleEndian, hexOf, hexToBytes, littleEndian, parseRange, unescapeBinary } from './packet.ts'
import { REGISTER, readRegister, sizeOf, writeRegister } from './target.ts'
import type { Target } from './target.ts'

const WATCH: Readonly<Record<string, WatchKind>> = { 2: 'write', 3: 'read', 4: 'access' }
const MOST_WATCHED = 1 << 16

/** Whom a packet is about. */
export interface Place {
  readonly debugger: Debugger
  readonly thread: Thread
  readonly description: Target
}

/** `g`. */
export function readAllRegisters({ debugger: target, thread }: Place): string {
  const registers = registersOf(target.levels, thread)
  let text = ''
  for (let n = 0; n < REGISTER.SYSTEM; n++) text += readRegister(registers, n)!
  return text
}

/** `G`. */
export function writeAllRegisters({ debugger: target, thread }: Place, digits: string): string {
  const registers = registersOf(target.levels, thread), bytes = hexToBytes(digits)
  if (bytes === undefined) throw new Refused('G is followed by hexadecimal digits')
  for (let n = 0, at = 0; n < REGISTER.SYSTEM && at + sizeOf(n) <= bytes.length; at += sizeOf(n), n++) writeRegister(registers, n, fromLittleEndian(bytes.subarray(at, at + sizeOf(n))))
  return 'OK'
}

/** `p`. */
export function readOneRegister({ debugger: target, thread, description }: Place, text: string): string {
  if (!/^[0-9a-fA-F]{1,4}$/.test(text)) throw new Refused('p is followed by the number of a register')
  const n = Number.parseInt(text, 16)
  if (n < REGISTER.SYSTEM) return readRegister(registersOf(target.levels, thread), n)!
  const row = description.system[n - REGISTER.SYSTEM]
  if (row === undefined) throw new Refused(`there is no register ${n}`)
  const value = readSystemRegister(target.levels, thread, row)
  return value === undefined ? 'x'.repeat(16) : littleEndian(value, 8)
}

/** `P`. */
export function writeOneRegister({ debugger: target, thread, description }: Place, text: string): string {
  const match = /^([0-9a-fA-F]{1,4})=([0-9a-fA-F]+)$/.exec(text), bytes = hexToBytes(match?.[2] ?? '-')
  if (match === null || bytes === undefined || bytes.length > 16) throw new Refused('P needs number=value')
  const n = Number.parseInt(match[1]!, 16), value = fromLittleEndian(bytes)
  if (n < REGISTER.SYSTEM) {
    writeRegister(registersOf(target.levels, thread), n, value)
    return 'OK'
  }
  const row = description.system[n - REGISTER.SYSTEM]
  if (row === undefined) throw new Refused(`there is no register ${n}`)
  writeSystemRegister(target.levels, thread, row, value)
  return 'OK'
}

/** `m` and `x`. */
export function readMemory({ debugger: target, thread }: Place, text: string, binary: boolean): string {
  const range = parseRange(text)
  if (range === undefined) throw new Refused('an address and a length are needed')
  const size = Math.min(range.length, MOST_BYTES)
  const bytes = target.addresses.read(thread, range.address, size)
  if (bytes.length === 0 && size > 0) throw new Refused(`${thread.level.name} has no memory at 0x${range.address.toString(16)}; monitor xlate says why`)
  return binary ? `b${escapeBinary(bytes)}` : hexOf(bytes)
}

/** `M` and `X`. */
export function writeMemory({ debugger: target, thread }: Place, text: string, binary: boolean): string {
  const colon = text.indexOf(':'), range = colon < 0 ? undefined : parseRange(text.slice(0, colon))
  const data = text.slice(colon + 1), bytes = binary ? unescapeBinary(data) : hexToBytes(data)
  if (range === undefined || bytes === undefined) throw new Refused('an address, a length and data are needed')
  if (bytes.length !== range.length) throw new Refused(`${bytes.length} bytes of data, ${range.length} announced`)
  if (!target.addresses.write(thread, range.address, bytes)) throw new Refused(`${thread.level.name} has no memory at 0x${range.address.toString(16)}`)
  return 'OK'
}

/** `Z` and `z`; empty: there are no such points. */
export function changePoint({ debugger: target, thread }: Place, text: string, set: boolean): string {
  // Conditions and commands behind `;` are not announced, so there are none.
  const match = /^([0-9]),([0-9a-fA-F]{1,16}),([0-9a-fA-F]{1,8})/.exec(text)
  if (match === null) throw new Refused('type,address,kind are needed')
  const [, type = '', digits, kind] = match, address = BigInt(`0x${digits}`), length = Number.parseInt(kind!, 16)
  const { breakpoints } = target, { level } = thread
  if (type === '0' || type === '1') {
    if (set) breakpoints.setBreakpoint(level, address, type === '1')
    else breakpoints.removeBreakpoint(level, address, type === '1')
    return 'OK'
  }
  const watch = WATCH[type]
  if (watch === undefined) return ''
  if (length === 0 || length > MOST_WATCHED) throw new Refused(`${length} bytes cannot be watched`)
  if (set) breakpoints.setWatchpoint(level, address, length, watch)
  else breakpoints.removeWatchpoint(level, address, length, watch)
  return 'OK'
}
