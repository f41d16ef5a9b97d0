/**
 * `hypervisor/host.ts` on the machine: what L0 does, done to the PE that runs now, counted and charged by the cost model (design D6, D8).
 */
import type { RegisterFile } from '../arch/register-file.ts'
import type { Feature, ProfileName } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { COUNT, listOf, memory, objectOf, restoreFields, saveFields, TEXT } from '../arch/saved-state.ts'
import type { AllFields, Saved } from '../arch/saved-state.ts'
import type { ListingDistributor } from '../arch/gic-listing.ts'
import type { Cpu } from '../cpu/cpu.ts'
import type { PE } from '../cpu/pe.ts'
import { RegisterMoves } from '../cpu/register-moves.ts'
import { HASHED } from '../cpu/trace-hash.ts'
import type { GicFrame, Host, PhysicalMemory, RegisterList } from '../hypervisor/host.ts'
import { atOperation, tlbiRow } from '../mmu/index.ts'
import { ROWS, SLOT } from '../sysreg/index.ts'
import type { Row } from '../sysreg/index.ts'
import type { L0Event } from '../trace/event.ts'
import { physicalMemory } from './physical-memory.ts'

/** What L0 has done on one PE. */
export interface HostCounters {
  /** By slot. */
  readonly registerReads: Uint32Array
  readonly registerWrites: Uint32Array
  memoryWords: number
  mmioReads: number
  mmioWrites: number
  tlbi: number
  at: number
  fpSaves: number
  fpRestores: number
  /** By name of the work; `unpriced` are names that the cost model does not know. */
  readonly work: Map<string, number>
  readonly unpriced: Set<string>
}

export interface HostPortOptions {
  readonly cpu: Cpu
  readonly pe: PE
  readonly profile: ProfileName
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
  readonly distributor: ListingDistributor
  readonly reserved: { readonly base: number, readonly size: number }
}

/** The row whose name a slot has: not an alias, not the virtual view. */
const ROW_OF_SLOT: readonly (Row | undefined)[] = (() => {
  const rows: (Row | undefined)[] = []
  for (const row of ROWS) if (row.slot >= 0 && row.aliasOf === undefined) rows[row.slot] = row
  return rows
})()

const rowOfSlot = (slot: number): Row => {
  const row = ROW_OF_SLOT[slot]
  if (row === undefined) throw new Error(`no register has slot ${slot}`)
  return row
}

const FP_BYTES = 528
const FIELDS: AllFields<Omit<HostCounters, 'work' | 'unpriced'>> = {
  registerReads: memory(), registerWrites: memory(), memoryWords: COUNT, mmioReads: COUNT, mmioWrites: COUNT, tlbi: COUNT, at: COUNT, fpSaves: COUNT, fpRestores: COUNT,
}

export class HostPort implements Host {
  readonly pe: number
  readonly peCount: number
  readonly profile: ProfileName
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
  readonly memory: PhysicalMemory
  readonly reserved: { readonly base: number, readonly size: number }
  readonly counters: HostCounters
  readonly #tell: (event: L0Event) => void
  readonly #cpu: Cpu
  readonly #target: PE
  readonly #distributor: ListingDistributor
  readonly #lists = new Map<RegisterList, RegisterMoves | undefined>()

  constructor(options: HostPortOptions) {
    this.#cpu = options.cpu
    this.#target = options.pe
    this.#distributor = options.distributor
    this.pe = options.pe.index
    this.peCount = options.cpu.pes.length
    this.profile = options.profile
    this.features = options.features
    this.gicVersion = options.gicVersion
    this.reserved = options.reserved
    this.counters = {
      registerReads: new Uint32Array(ROW_OF_SLOT.length), registerWrites: new Uint32Array(ROW_OF_SLOT.length),
      memoryWords: 0, mmioReads: 0, mmioWrites: 0, tlbi: 0, at: 0, fpSaves: 0, fpRestores: 0, work: new Map(), unpriced: new Set(),
    }
    const { core } = this.#cpu
    this.memory = physicalMemory(core.engine.ram, words => {
      this.counters.memoryWords += words
      core.charge(words * core.costs.memoryAccess)
    })
    this.#tell = event => {
      const { hash } = core
      if (hash !== undefined && event.kind === 'exit') {
        hash.add(HASHED.exit)
        hash.add(event.pe | (event.vm << 4) | (event.vcpu << 16))
        hash.add(event.syndrome)
        hash.add64(event.pc)
      }
      core.onEvent?.(event, core.cycles(this.#target))
    }
  }

  /** Nobody listens: L0 need not make events. */
  get trace(): ((event: L0Event) => void) | undefined {
    const { core } = this.#cpu
    return core.hash === undefined && core.onEvent === undefined ? undefined : this.#tell
  }

  saveState(): Saved {
    const { work, unpriced } = this.counters
    return { ...saveFields(this.counters, FIELDS), work: [...work].map(([name, count]) => [name, count]), unpriced: [...unpriced] }
  }

  restoreState(saved: Saved, path: string): void {
    const { work, unpriced } = objectOf(saved, path), { counters } = this
    restoreFields(counters, FIELDS, saved, path)
    counters.work.clear()
    for (const pair of listOf(work, `${path}.work`, 1000)) {
      const [name, count] = listOf(pair, `${path}.work`, 2)
      counters.work.set(TEXT.restore(name, `${path}.work`, ''), COUNT.restore(count, `${path}.work`, 0))
    }
    counters.unpriced.clear()
    for (const name of listOf(unpriced, `${path}.unpriced`, 1000)) counters.unpriced.add(TEXT.restore(name, `${path}.unpriced`, ''))
  }

  x(n: number): bigint { return this.#cpu.engine.state.x(n) }
  setX(n: number, value: bigint): void { this.#cpu.engine.state.setX(n, value) }

  mrs(slot: number): bigint {
    const { core, system } = this.#cpu, row = rowOfSlot(slot), value = system.load(row)
    if (value === undefined) throw new Error(`MRS ${row.name}: cannot be read`)
    this.counters.registerReads[slot]!++
    core.charge(row.effect === 'interrupt' ? core.costs.gicRegisterRead : core.costs.systemRegisterRead)
    return value
  }

  msr(slot: number, value: bigint): void {
    const { core, system } = this.#cpu, row = rowOfSlot(slot)
    if (!system.store(row, BigInt.asUintN(64, value), true)) throw new Error(`MSR ${row.name}: cannot be written`)
    this.counters.registerWrites[slot]!++
    core.charge(row.effect === 'interrupt' ? core.costs.gicRegisterWrite : core.costs.systemRegisterWrite)
  }

  save(list: RegisterList, into: RegisterFile): void {
    const { moves } = list, plain = this.#plain(list)
    if (plain === undefined) {
      for (const { register, slot } of moves) {
        into.u64[slot] = this.mrs(register)
        this.#memoryWord()
      }
      return
    }
    plain.save(this.#target.file, into)
    const { core } = this.#cpu, { registerReads } = this.counters
    for (let i = 0; i < moves.length; i++) registerReads[moves[i]!.register]!++
    this.counters.memoryWords += moves.length
    core.charge(moves.length * (core.costs.systemRegisterRead + core.costs.memoryAccess))
  }

  restore(list: RegisterList, from: RegisterFile): void {
    const { moves } = list, plain = this.#plain(list)
    if (plain === undefined) {
      for (const { register, slot } of moves) {
        this.#memoryWord()
        this.msr(register, from.u64[slot]!)
      }
      return
    }
    plain.restore(this.#target.file, from)
    const { core } = this.#cpu, { registerWrites } = this.counters
    for (let i = 0; i < moves.length; i++) registerWrites[moves[i]!.register]!++
    this.counters.memoryWords += moves.length
    core.charge(moves.length * (core.costs.systemRegisterWrite + core.costs.memoryAccess))
  }

  /** The list worked out for bulk moves; undefined when a register of it is more than storage. */
  #plain(list: RegisterList): RegisterMoves | undefined {
    if (this.#lists.has(list)) return this.#lists.get(list)
    const moves = list.moves.map(({ register, slot }) => ({ row: rowOfSlot(register), slot }))
    const plain = RegisterMoves.isPlain(moves.map(({ row }) => row)) ? new RegisterMoves(this.#cpu.core, moves) : undefined
    this.#lists.set(list, plain)
    return plain
  }

  #memoryWord(): void {
    const { core } = this.#cpu
    this.counters.memoryWords++
    core.charge(core.costs.memoryAccess)
  }

  saveFp(area: Uint8Array): void {
    if (area.length !== FP_BYTES) throw new Error(`FP area of ${area.length} bytes`)
    const { state } = this.#cpu.engine, words = new DataView(area.buffer, area.byteOffset, FP_BYTES)
    for (let n = 0; n < 64; n++) words.setBigUint64(8 * n, state.v(n >> 1, (n & 1) as 0 | 1), true)
    words.setBigUint64(512, this.#target.file.u64[SLOT.FPCR]!, true)
    words.setBigUint64(520, this.#target.file.u64[SLOT.FPSR]!, true)
    this.counters.fpSaves++
    this.#cpu.core.charge(this.#cpu.core.costs.fpSave)
  }

  restoreFp(area: Uint8Array): void {
    if (area.length !== FP_BYTES) throw new Error(`FP area of ${area.length} bytes`)
    const { state } = this.#cpu.engine, words = new DataView(area.buffer, area.byteOffset, FP_BYTES)
    for (let n = 0; n < 64; n++) state.setV(n >> 1, (n & 1) as 0 | 1, words.getBigUint64(8 * n, true))
    this.#cpu.system.store(rowOfSlot(SLOT.FPCR), words.getBigUint64(512, true), true)
    this.#cpu.system.store(rowOfSlot(SLOT.FPSR), words.getBigUint64(520, true), true)
    this.counters.fpRestores++
    this.#cpu.core.charge(this.#cpu.core.costs.fpRestore)
  }

  mmioRead(frame: GicFrame, offset: number): number {
    const { core } = this.#cpu
    this.counters.mmioReads++
    core.charge(core.costs.frameRead[frame])
    const value = frame === 'GICD' ? this.#distributor.readDistributor(this.pe, offset, 4)
      : frame === 'GICR' ? this.#distributor.readRedistributor(this.pe, offset, 4) : this.#target.gic.readFrame(frame, offset, 4)
    if (value === undefined) throw new Error(`L0 reads ${frame}+0x${offset.toString(16)}: no such register`)
    return value
  }

  mmioWrite(frame: GicFrame, offset: number, value: number): void {
    const { core } = this.#cpu
    this.counters.mmioWrites++
    core.charge(core.costs.frameWrite[frame])
    const done = frame === 'GICD' ? this.#distributor.writeDistributor(this.pe, offset, 4, value)
      : frame === 'GICR' ? this.#distributor.writeRedistributor(this.pe, offset, 4, value) : this.#target.gic.writeFrame(frame, offset, 4, value)
    if (!done) throw new Error(`L0 writes ${frame}+0x${offset.toString(16)}: no such register`)
  }

  tlbi(operation: string, argument = 0n): void {
    const row = tlbiRow(operation)
    if (row === undefined) throw new Error(`TLBI ${operation}: no such operation`)
    this.counters.tlbi++
    this.#cpu.maintenance.tlbi(row, argument)
  }

  invalidateInstructions(pa: number, size: number): void { this.#cpu.engine.invalidateInstructions(pa, size) }

  at(operation: string, va: bigint): void {
    const row = atOperation(operation)
    if (row === undefined) throw new Error(`AT ${operation}: no such operation`)
    this.counters.at++
    this.#cpu.maintenance.atForEL2Software(row, va)
  }

  counter(): bigint {
    const { core } = this.#cpu
    core.charge(core.costs.systemRegisterRead)
    return BigInt(core.readCount(this.#target))
  }

  sendSgi(target: number, intid: number): void {
    const { core } = this.#cpu
    core.charge(this.gicVersion === 3 ? core.costs.gicRegisterWrite : core.costs.frameWrite.GICD)
    this.#distributor.sendSgi(this.pe, target, intid)
    if (target !== this.pe) core.endTurn()
  }

  charge(work: string, count = 1): void {
    const { core } = this.#cpu, cost = core.costs.work[work]
    this.counters.work.set(work, (this.counters.work.get(work) ?? 0) + count)
    if (cost === undefined) this.counters.unpriced.add(work)
    else core.charge(cost * count)
  }
}
