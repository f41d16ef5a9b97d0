/**
 * The trace as Perfetto's protobuf (perfetto.dev, protos/perfetto/trace; opened by ui.perfetto.dev): a track per VM, vCPU and level on which
 * slices are the stretches that ran there, and one for L0 with a slice per exit. Arrows (flows) go from what trapped to its handling and on
 * to what runs next, and from a trap of a nested VM through the guest hypervisor to where the nested VM goes on.
 *
 * A file is a sequence of packets, and every prefix of whole packets is a trace. One cycle is one nanosecond.
 */
import type { Level, TraceEvent, TraceSink } from './event.ts'
import { Message } from './protobuf.ts'
import { NO_VM, reasonOf, Timeline } from './timeline.ts'
import type { Handled, Listener, Place } from './timeline.ts'

/** Field numbers of the public schema. */
const TRACE = { packet: 1 } as const
const PACKET = { timestamp: 8, sequence: 10, trackEvent: 11, interned: 12, sequenceFlags: 13, trackDescriptor: 60 } as const
const SEQUENCE = { cleared: 1, needed: 2 } as const
const DESCRIPTOR = { uuid: 1, name: 2, process: 3, parent: 5, childOrdering: 11, rank: 12 } as const
const PROCESS = { pid: 1, name: 6 } as const
const CHILDREN_BY_RANK = 3
const EVENT = { annotation: 4, type: 9, nameId: 10, track: 11, flow: 47, endingFlow: 48 } as const
const TYPE = { begin: 1, end: 2, instant: 3 } as const
const INTERNED = { eventName: 2, annotationName: 3 } as const
const NAME = { id: 1, name: 2 } as const
const ANNOTATION = { nameId: 1, unsigned: 3, text: 6 } as const

type Row = Level | 'L0'
const RANKS: Readonly<Record<Row, number>> = { L0: 0, machine: 1, vm: 1, vEL2: 1, L1: 2, L2: 3, L3: 4 }
const NAMES: Readonly<Record<Row, string>> = { L0: 'L0', machine: 'below EL2', vm: 'guest', vEL2: 'L1 hypervisor (vEL2)', L1: 'L1 kernel and processes', L2: 'L2', L3: 'L3' }
const ROWS_PER_VCPU = 8
const VCPUS_PER_VM = 64

type AnnotationValue = number | bigint | string

interface Slice { readonly type: number, readonly track: number, readonly name?: string, readonly flows?: readonly number[], readonly endingFlows?: readonly number[], readonly annotations?: Readonly<Record<string, AnnotationValue>> }

export interface PerfettoOptions {
  readonly write: (bytes: Uint8Array) => void
  readonly levels?: readonly Level[] | undefined
  /** Whether slices are wanted now; always if undefined. */
  readonly open?: () => boolean
}

export class PerfettoTrace implements Listener {
  readonly sink: TraceSink
  readonly #timeline: Timeline
  readonly #write: (bytes: Uint8Array) => void
  readonly #levels: ReadonlySet<Level> | undefined
  readonly #open: () => boolean
  readonly #described = new Set<number>()
  /** Tracks with a slice that has not ended. */
  readonly #begun = new Set<number>()
  readonly #eventNames = new Map<string, number>()
  readonly #annotationNames = new Map<string, number>()
  /** New names, for the next packet. */
  #interned: Message | undefined
  #started = false
  #flows = 0
  /** The flow of the exit that a PE is handling, and of the slices that run: taken up by whoever comes next. */
  readonly #pending = new Map<number, number[]>()
  readonly #outgoing = new Map<number, number>()
  /** Flows from a level that waits for L1 to the moment it goes on. */
  readonly #roundTrips = new Map<string, number>()
  #last = 0

  constructor({ write, levels, open }: PerfettoOptions) {
    this.#open = open ?? (() => true)
    this.#write = write
    this.#levels = levels === undefined ? undefined : new Set(levels)
    this.#timeline = new Timeline(this)
    this.sink = (event: TraceEvent, cycles: number) => {
      this.#last = Math.max(this.#last, cycles)
      this.#timeline.sink(event, cycles)
      const place = this.#timeline.placeOn(event.pe)
      if (event.kind === 'marker' && place !== undefined && this.#shows(place.level)) this.#slice(cycles, { type: TYPE.instant, track: this.#track(place, place.level), name: `marker 0x${event.value.toString(16)}` })
      else if (event.kind === 'interrupt') this.#slice(cycles, { type: TYPE.instant, track: this.#track({ vm: event.vm, vcpu: event.vcpu, level: 'vm' }, 'L0'), name: `interrupt ${event.intid} ${event.level ? 'high' : 'low'}` })
    }
  }

  /** Ends the slices that are open. */
  finish(): void { this.#timeline.finish(() => this.#last) }

  entered(place: Place, pe: number, cycles: number, pc: bigint): void {
    const incoming = this.#pending.get(pe) ?? []
    this.#pending.delete(pe)
    if (!this.#shows(place.level)) return
    const flow = ++this.#flows, key = `${place.vm} ${place.vcpu} ${place.level}`, roundTrip = this.#roundTrips.get(key)
    this.#roundTrips.delete(key)
    this.#outgoing.set(pe, flow)
    this.#slice(cycles, { type: TYPE.begin, track: this.#track(place, place.level), name: NAMES[place.level], flows: [flow], endingFlows: roundTrip === undefined ? incoming : [...incoming, roundTrip], annotations: { pc } })
  }

  left(place: Place, pe: number, cycles: number): void {
    if (this.#shows(place.level)) this.#slice(cycles, { type: TYPE.end, track: this.#track(place, place.level) })
  }

  handled(exit: Handled): void {
    const { pe, place, exception, action, from, until } = exit
    const incoming = this.#outgoing.get(pe), flow = ++this.#flows
    this.#outgoing.delete(pe)
    if (!this.#shows(place.level)) return
    const track = this.#track(place, 'L0'), flows = [flow]
    // Of a trap that L1 deals with: on to where this level runs again.
    if (action?.includes('vEL2') === true && place.level !== 'vEL2') {
      const roundTrip = ++this.#flows
      this.#roundTrips.set(`${place.vm} ${place.vcpu} ${place.level}`, roundTrip)
      flows.push(roundTrip)
    }
    this.#slice(from, {
      type: TYPE.begin, track, name: reasonOf(exit), flows, ...(incoming === undefined ? {} : { endingFlows: [incoming] }),
      annotations: { from: place.level, ...(action === null ? {} : { action }), ...(exception === undefined ? {} : { pc: exception.pc, syndrome: exception.syndrome }) },
    })
    this.#slice(until, { type: TYPE.end, track })
    this.#pending.set(pe, [flow])
  }

  #shows(level: Level): boolean { return this.#levels?.has(level) !== false }

  /** The track of a row, described before it is used. */
  #track({ vm, vcpu }: Place, row: Row): number {
    const process = (vm - NO_VM + 1) * VCPUS_PER_VM * ROWS_PER_VCPU, track = process + (vcpu + 1) * ROWS_PER_VCPU + RANKS[row]
    if (!this.#described.has(process)) {
      this.#described.add(process)
      const name = vm === NO_VM ? 'machine' : `VM ${vm}`
      this.#packet(new Message().message(PACKET.trackDescriptor, new Message().varint(DESCRIPTOR.uuid, process).varint(DESCRIPTOR.childOrdering, CHILDREN_BY_RANK)
        .message(DESCRIPTOR.process, new Message().varint(PROCESS.pid, vm - NO_VM + 1).string(PROCESS.name, name))))
    }
    if (!this.#described.has(track)) {
      this.#described.add(track)
      const name = `${vm === NO_VM ? 'CPU' : 'vCPU'} ${vcpu} ${vm === NO_VM && row === 'L0' ? 'EL2' : NAMES[row]}`
      this.#packet(new Message().message(PACKET.trackDescriptor, new Message().varint(DESCRIPTOR.uuid, track).varint(DESCRIPTOR.parent, process).string(DESCRIPTOR.name, name)
        .varint(DESCRIPTOR.rank, vcpu * ROWS_PER_VCPU + RANKS[row])))
    }
    return track
  }

  #slice(cycles: number, { type, track, name, flows, endingFlows, annotations }: Slice): void {
    // A slice ends if it has begun, wanted or not.
    if (type === TYPE.end ? !this.#begun.delete(track) : !this.#open()) return
    if (type === TYPE.begin) this.#begun.add(track)
    const event = new Message().varint(EVENT.type, type).varint(EVENT.track, track)
    if (name !== undefined) event.varint(EVENT.nameId, this.#intern(this.#eventNames, INTERNED.eventName, name))
    for (const flow of flows ?? []) event.fixed64(EVENT.flow, flow)
    for (const flow of endingFlows ?? []) event.fixed64(EVENT.endingFlow, flow)
    for (const [key, value] of Object.entries(annotations ?? {})) {
      const annotation = new Message().varint(ANNOTATION.nameId, this.#intern(this.#annotationNames, INTERNED.annotationName, key))
      if (typeof value === 'string') annotation.string(ANNOTATION.text, value)
      else if (typeof value === 'number') annotation.varint(ANNOTATION.unsigned, value)
      // Kernel addresses are beyond what a number holds.
      else annotation.string(ANNOTATION.text, `0x${value.toString(16)}`)
      event.message(EVENT.annotation, annotation)
    }
    const packet = new Message().varint(PACKET.timestamp, Math.floor(cycles))
    if (this.#interned !== undefined) packet.message(PACKET.interned, this.#interned)
    this.#interned = undefined
    this.#packet(packet.message(PACKET.trackEvent, event))
  }

  #intern(table: Map<string, number>, field: number, name: string): number {
    let id = table.get(name)
    if (id === undefined) {
      table.set(name, id = table.size + 1)
      this.#interned = (this.#interned ?? new Message()).message(field, new Message().varint(NAME.id, id).string(NAME.name, name))
    }
    return id
  }

  #packet(packet: Message): void {
    packet.varint(PACKET.sequence, 1).varint(PACKET.sequenceFlags, this.#started ? SEQUENCE.needed : SEQUENCE.cleared)
    this.#started = true
    this.#write(new Message().message(TRACE.packet, packet).finish())
  }
}
