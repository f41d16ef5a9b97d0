/**
 * The state of every interrupt of one controller and the rules that change it (GICv2 IHI0048B 3.2 and 4.3, GICv3 IHI0069 4.1 and 12.9).
 * Register frames, CPU interfaces and device lines all act through these methods; nothing else touches the bits.
 *
 * Bits are kept in banks of 32 interrupts: bank `cpu` holds the SGIs and PPIs of that CPU, bank `cpus + n` the SPIs 32 + 32n onwards.
 * For each CPU a bitmap of candidates (pending, enabled, inactive, group enabled, targeted here) is kept current, so that the
 * highest-priority pending interrupt is a look at a few words.
 */
import type { GicVersion, INTID } from '../../arch/gic.ts'
import type { ListedInterrupt } from '../../arch/gic-listing.ts'
import { fieldsOf, fillFrom, integerIn } from '../saved-state.ts'

export interface Candidate {
  readonly intid: INTID
  readonly priority: number
  readonly group: 0 | 1
  readonly source: number
}

export interface InterruptStateOptions {
  readonly version: GicVersion
  readonly cpus: number
  readonly intids: number
  readonly priorityMask: number
  readonly lowestTargetOnly: boolean
}

/** SGIs are edge-triggered and PPIs level-sensitive here: both are fixed, as in GIC-400. */
const PRIVATE_EDGE = 0x0000_ffff
const SGIS = 0x0000_ffff

export class InterruptState {
  readonly version: GicVersion
  readonly cpus: number
  /** INTIDs below this exist; a multiple of 32. */
  readonly intids: number
  onChange: (cpu: number) => void = () => {}
  onSignal: ((cpu: number, intid: INTID, level: boolean) => void) | undefined
  /** GICD_CTLR.EnableGrp0 and EnableGrp1. */
  #groupEnables = 0
  readonly #words: number
  readonly #priorityMask: number
  readonly #lowestTargetOnly: boolean
  readonly #group: Int32Array
  readonly #enabled: Int32Array
  /** Pending without regard to the line: an edge, an SGI, or a write to ISPENDR. */
  readonly #latch: Int32Array
  readonly #line: Int32Array
  readonly #active: Int32Array
  readonly #edge: Int32Array
  readonly #priority: Uint8Array
  /** GICv2: for every CPU and SGI, the CPUs that have sent it. The latch is set while any bit is. */
  readonly #sources: Uint8Array
  /** GICv2: for every CPU and SGI, who sent the active one. */
  readonly #activeSource: Uint8Array
  /** The CPU that activated an SPI. */
  readonly #activeOn: Uint8Array
  /** SPIs: GICD_ITARGETSR byte, or GICD_IROUTER as Aff3.Aff2.Aff1.Aff0. Index is INTID - 32. */
  readonly #route: Uint32Array
  /** Bits of #route by CPU: word w of CPU c at c * #words + w. */
  readonly #targeted: Int32Array
  readonly #candidates: Int32Array
  /** Best candidate by CPU and group, index 2 * cpu + group; null: not known at present. */
  readonly #best: (Candidate | undefined | null)[]

  constructor(options: InterruptStateOptions) {
    this.version = options.version
    this.cpus = options.cpus
    this.intids = options.intids
    this.#words = options.intids >>> 5
    this.#priorityMask = options.priorityMask
    this.#lowestTargetOnly = options.lowestTargetOnly
    const banks = this.cpus + this.#words - 1
    this.#group = new Int32Array(banks)
    this.#enabled = new Int32Array(banks)
    this.#latch = new Int32Array(banks)
    this.#line = new Int32Array(banks)
    this.#active = new Int32Array(banks)
    this.#edge = new Int32Array(banks)
    this.#priority = new Uint8Array(banks * 32)
    this.#sources = new Uint8Array(this.cpus * 16)
    this.#activeSource = new Uint8Array(this.cpus * 16)
    this.#activeOn = new Uint8Array(this.intids - 32)
    this.#route = new Uint32Array(this.intids - 32)
    this.#targeted = new Int32Array(this.cpus * this.#words)
    this.#candidates = new Int32Array(this.cpus * this.#words)
    this.#best = Array.from({ length: this.cpus * 2 }, () => null)
    this.reset()
  }

  /** The lines stay: they belong to the devices that drive them. */
  reset(): void {
    this.#groupEnables = 0
    for (const bits of [this.#group, this.#enabled, this.#latch, this.#active, this.#edge, this.#priority, this.#sources, this.#activeSource, this.#activeOn, this.#route]) bits.fill(0)
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      this.#edge[cpu] = PRIVATE_EDGE
      // GIC-400: SGIs cannot be disabled.
      if (this.version === 2) this.#enabled[cpu] = SGIS
    }
    this.#retarget()
    this.#refreshAll()
  }

  exists(intid: INTID): boolean { return intid >= 0 && intid < this.intids && intid < 1020 }

  isEnabled(cpu: number, intid: INTID): boolean { return this.#test(this.#enabled, cpu, intid) }
  isActive(cpu: number, intid: INTID): boolean { return this.#test(this.#active, cpu, intid) }
  isEdge(cpu: number, intid: INTID): boolean { return this.#test(this.#edge, cpu, intid) }
  groupOf(cpu: number, intid: INTID): 0 | 1 { return this.#test(this.#group, cpu, intid) ? 1 : 0 }
  priorityOf(cpu: number, intid: INTID): number { return this.#priority[this.#bank(cpu, intid) * 32 + (intid & 31)]! }
  isPending(cpu: number, intid: INTID): boolean {
    const bank = this.#bank(cpu, intid)
    return (this.#pending(bank) >>> (intid & 31) & 1) !== 0
  }
  /** GICD_ITARGETSR byte or GICD_IROUTER affinity of an SPI. */
  routeOf(intid: INTID): number { return this.#route[intid - 32]! }
  /** GICv2: CPUs whose SGI `intid` is pending at `cpu`. */
  sourcesOf(cpu: number, intid: INTID): number { return this.#sources[cpu * 16 + intid]! }
  get groupEnables(): number { return this.#groupEnables }

  setGroupEnables(bits: number): void {
    this.#groupEnables = bits & 3
    this.#refreshAll()
  }

  setEnabled(cpu: number, intid: INTID, on: boolean): void {
    if (this.version === 2 && intid < 16) return
    this.#assign(this.#enabled, cpu, intid, on)
  }

  setGroup(cpu: number, intid: INTID, group: number): void { this.#assign(this.#group, cpu, intid, group !== 0, true) }

  setPriority(cpu: number, intid: INTID, priority: number): void {
    this.#priority[this.#bank(cpu, intid) * 32 + (intid & 31)] = priority & this.#priorityMask
    this.#refresh(cpu, intid >>> 5, true)
  }

  /** Only SPIs can be configured; see PRIVATE_EDGE. */
  setEdge(cpu: number, intid: INTID, on: boolean): void {
    if (intid >= 32) this.#assign(this.#edge, cpu, intid, on)
  }

  setRoute(intid: INTID, route: number): void {
    this.#route[intid - 32] = route
    this.#retargetOne(intid)
    this.#refresh(0, intid >>> 5, false)
  }

  /** ISPENDR and ICPENDR. GICv2's SGIs have registers of their own for this. */
  setPendingLatch(cpu: number, intid: INTID, on: boolean): void {
    if (this.version === 2 && intid < 16) return
    this.#assign(this.#latch, cpu, intid, on)
  }

  /** ISACTIVER and ICACTIVER. */
  setActive(cpu: number, intid: INTID, on: boolean): void {
    if (intid >= 32) this.#activeOn[intid - 32] = on ? this.#firstTarget(intid) : 0
    this.#assign(this.#active, cpu, intid, on)
  }

  setLine(cpu: number, intid: INTID, level: boolean): void {
    if (!this.exists(intid) || intid < 16) return
    const bank = this.#bank(cpu, intid)
    const bit = 1 << (intid & 31)
    const before = this.#line[bank]!
    if (((before & bit) !== 0) === level) return
    this.#line[bank] = before ^ bit
    this.onSignal?.(cpu, intid, level)
    if (level) this.#latch[bank]! |= this.#edge[bank]! & bit
    this.#refresh(cpu, intid >>> 5, false)
  }

  /** An SGI from `source` becomes pending at `cpu`. */
  addSgi(cpu: number, intid: INTID, source: number): void {
    this.setSources(cpu, intid, this.#sources[cpu * 16 + intid]! | 1 << source)
  }

  /** GICv2's SPENDSGIR and CPENDSGIR work on the whole byte of sources; GICv3 has one pending bit. */
  setSources(cpu: number, intid: INTID, sources: number): void {
    if (this.version === 2) this.#sources[cpu * 16 + intid] = sources
    this.#assign(this.#latch, cpu, intid, sources !== 0)
    // The same SGI from another CPU changes the source that IAR returns, not the bitmap.
    this.#refresh(cpu, 0, true)
  }

  /** The pending latch, or one source of a GICv2 SGI, moves into a list register. */
  take(cpu: number, intid: INTID, source: number): void {
    if (intid < 16) this.setSources(cpu, intid, this.version === 2 ? this.#sources[cpu * 16 + intid]! & ~(1 << source) : 0)
    else this.#assign(this.#latch, cpu, intid, false)
  }

  markActive(cpu: number, intid: INTID, source: number): void {
    if (this.version === 2 && intid < 16) this.#activeSource[cpu * 16 + intid] = source
    this.setActive(cpu, intid, true)
    if (intid >= 32) this.#activeOn[intid - 32] = cpu
  }

  /** Acknowledge. The pending latch goes; the line of a level-sensitive interrupt keeps it pending while it is high (IHI0048B figure 4-10). */
  activate(cpu: number, intid: INTID, source: number): void {
    if (!this.exists(intid)) return
    const bank = this.#bank(cpu, intid)
    const bit = 1 << (intid & 31)
    this.#active[bank]! |= bit
    if (this.version === 2 && intid < 16) {
      const rest = this.#sources[cpu * 16 + intid]! & ~(1 << source)
      this.#sources[cpu * 16 + intid] = rest
      this.#activeSource[cpu * 16 + intid] = source
      if (rest === 0) this.#latch[bank]! &= ~bit
    } else {
      this.#latch[bank]! &= ~bit
    }
    if (intid >= 32) this.#activeOn[intid - 32] = cpu
    this.#refresh(cpu, intid >>> 5, true)
  }

  deactivate(cpu: number, intid: INTID): void {
    if (this.exists(intid)) this.#assign(this.#active, cpu, intid, false)
  }

  /** The candidate of best priority in one group: lowest priority value, then lowest INTID, then lowest source. */
  best(cpu: number, group: 0 | 1): Candidate | undefined {
    const known = this.#best[2 * cpu + group]
    if (known !== null) return known
    this.#findBest(cpu)
    return this.#best[2 * cpu + group]!
  }

  listFor(cpu: number): ListedInterrupt[] {
    const list: ListedInterrupt[] = []
    for (let word = 0; word < this.#words; word++) {
      const bank = word === 0 ? cpu : this.cpus + word - 1
      // Unlike a candidate, an active interrupt may be pending as well, and is listed even if its group has been disabled.
      const deliverable = this.#deliverable(bank) & this.#targeted[cpu * this.#words + word]!
      for (let bits = deliverable | this.#active[bank]!; bits !== 0; bits &= bits - 1) {
        const intid = word * 32 + (31 - Math.clz32(bits & -bits))
        const bit = bits & -bits
        const active = (this.#active[bank]! & bit) !== 0 && (intid < 32 || this.#activeOn[intid - 32] === cpu)
        const pending = (deliverable & bit) !== 0 && (active || (this.#active[bank]! & bit) === 0)
        if (active || pending) this.#listOne(list, cpu, intid, pending, active)
      }
    }
    return list.toSorted((a, b) => a.priority - b.priority || a.intid - b.intid || a.source - b.source)
  }

  #listOne(list: ListedInterrupt[], cpu: number, intid: INTID, pending: boolean, active: boolean): void {
    const common = { intid, priority: this.priorityOf(cpu, intid), group: this.groupOf(cpu, intid), edge: this.isEdge(cpu, intid), line: this.#test(this.#line, cpu, intid) }
    if (this.version !== 2 || intid >= 16) {
      list.push({ ...common, source: 0, pending, active })
      return
    }
    const sources = this.#sources[cpu * 16 + intid]!
    const activeSource = active ? this.#activeSource[cpu * 16 + intid]! : -1
    for (let source = 0; source < 8; source++) {
      const sent = pending && (sources >>> source & 1) !== 0
      if (sent || source === activeSource) list.push({ ...common, source, pending: sent, active: source === activeSource })
    }
  }

  save(): Record<string, unknown> {
    return {
      groupEnables: this.#groupEnables, group: [...this.#group], enabled: [...this.#enabled], latch: [...this.#latch], line: [...this.#line], active: [...this.#active],
      edge: [...this.#edge], priority: [...this.#priority], sources: [...this.#sources], activeSource: [...this.#activeSource], activeOn: [...this.#activeOn], route: [...this.#route],
    }
  }

  restore(state: unknown): void {
    const fields = fieldsOf(state, 'GIC distributor')
    this.#groupEnables = integerIn(fields, 'groupEnables', 3)
    fillFrom(fields, 'group', this.#group)
    fillFrom(fields, 'enabled', this.#enabled)
    fillFrom(fields, 'latch', this.#latch)
    fillFrom(fields, 'line', this.#line)
    fillFrom(fields, 'active', this.#active)
    fillFrom(fields, 'edge', this.#edge)
    fillFrom(fields, 'priority', this.#priority)
    fillFrom(fields, 'sources', this.#sources)
    fillFrom(fields, 'activeSource', this.#activeSource)
    fillFrom(fields, 'activeOn', this.#activeOn)
    fillFrom(fields, 'route', this.#route)
    this.#retarget()
    this.#refreshAll()
  }

  #bank(cpu: number, intid: INTID): number { return intid < 32 ? cpu : this.cpus + (intid >>> 5) - 1 }

  #test(bits: Int32Array, cpu: number, intid: INTID): boolean { return (bits[this.#bank(cpu, intid)]! >>> (intid & 31) & 1) !== 0 }

  #assign(bits: Int32Array, cpu: number, intid: INTID, on: boolean, reorders = false): void {
    const bank = this.#bank(cpu, intid)
    const bit = 1 << (intid & 31)
    const before = bits[bank]!
    const after = on ? before | bit : before & ~bit
    if (after === before) return
    bits[bank] = after
    this.#refresh(cpu, intid >>> 5, reorders)
  }

  #pending(bank: number): number { return this.#latch[bank]! | (this.#line[bank]! & ~this.#edge[bank]!) }

  #deliverable(bank: number): number {
    const group1 = this.#group[bank]!
    const groups = ((this.#groupEnables & 2) !== 0 ? group1 : 0) | ((this.#groupEnables & 1) !== 0 ? ~group1 : 0)
    return this.#pending(bank) & this.#enabled[bank]! & groups
  }

  /**
   * Brings the candidates of one word up to date and tells the CPUs that see a difference. `reorders`: priority, group or source
   * may have changed, which matters to a CPU that has any candidate in the word.
   */
  #refresh(cpu: number, word: number, reorders: boolean): void {
    if (word === 0) {
      this.#refreshFor(cpu, 0, this.#deliverable(cpu) & ~this.#active[cpu]!, reorders)
      return
    }
    const bank = this.cpus + word - 1
    const ready = this.#deliverable(bank) & ~this.#active[bank]!
    for (let target = 0; target < this.cpus; target++) this.#refreshFor(target, word, ready, reorders)
  }

  #refreshFor(cpu: number, word: number, ready: number, reorders: boolean): void {
    const index = cpu * this.#words + word
    const now = ready & this.#targeted[index]!
    if (now === this.#candidates[index]! && !(reorders && now !== 0)) return
    this.#candidates[index] = now
    this.#best[2 * cpu] = null
    this.#best[2 * cpu + 1] = null
    this.onChange(cpu)
  }

  #refreshAll(): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) this.#refresh(cpu, 0, true)
    for (let word = 1; word < this.#words; word++) this.#refresh(0, word, true)
  }

  #findBest(cpu: number): void {
    let best0 = -1, best1 = -1, priority0 = 256, priority1 = 256
    for (let word = 0; word < this.#words; word++) {
      const bank = word === 0 ? cpu : this.cpus + word - 1
      for (let bits = this.#candidates[cpu * this.#words + word]!; bits !== 0; bits &= bits - 1) {
        const bit = 31 - Math.clz32(bits & -bits)
        const priority = this.#priority[bank * 32 + bit]!
        if ((this.#group[bank]! >>> bit & 1) !== 0) {
          if (priority < priority1) { priority1 = priority; best1 = word * 32 + bit }
        } else if (priority < priority0) { priority0 = priority; best0 = word * 32 + bit }
      }
    }
    this.#best[2 * cpu] = best0 < 0 ? undefined : { intid: best0, priority: priority0, group: 0, source: this.#lowestSource(cpu, best0) }
    this.#best[2 * cpu + 1] = best1 < 0 ? undefined : { intid: best1, priority: priority1, group: 1, source: this.#lowestSource(cpu, best1) }
  }

  #lowestSource(cpu: number, intid: INTID): number {
    if (this.version !== 2 || intid >= 16) return 0
    const sources = this.#sources[cpu * 16 + intid]!
    return 31 - Math.clz32(sources & -sources)
  }

  /** CPUs that an SPI goes to, as a bitmap. */
  #targetsOf(intid: INTID): number {
    const route = this.#route[intid - 32]!
    if (this.version === 3) {
      const cpu = route >>> 8 << 4 | (route & 15)
      return (route & 0xf0) === 0 && cpu < this.cpus ? 1 << cpu : 0
    }
    if (this.cpus === 1) return 1
    const targets = route & ((1 << this.cpus) - 1)
    return this.#lowestTargetOnly ? targets & -targets : targets
  }

  #firstTarget(intid: INTID): number {
    const targets = this.#targetsOf(intid)
    return targets === 0 ? 0 : 31 - Math.clz32(targets & -targets)
  }

  #retargetOne(intid: INTID): void {
    const targets = this.#targetsOf(intid)
    const bit = 1 << (intid & 31)
    for (let cpu = 0; cpu < this.cpus; cpu++) {
      const index = cpu * this.#words + (intid >>> 5)
      if ((targets >>> cpu & 1) !== 0) this.#targeted[index]! |= bit
      else this.#targeted[index]! &= ~bit
    }
  }

  #retarget(): void {
    for (let cpu = 0; cpu < this.cpus; cpu++) this.#targeted[cpu * this.#words] = -1
    for (let intid = 32; intid < this.intids; intid++) this.#retargetOne(intid)
  }
}
