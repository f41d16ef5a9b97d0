/**
 * A trace of the nest, decoded by an independent decoder (protobufjs) with the fields of Perfetto's public schema: what the Perfetto UI
 * shows is what happened. And the text of the same run.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import protobuf from 'protobufjs'
import { afterAll, describe, expect, test } from 'vitest'
import { createMachine } from '../../src/machine/machine.ts'
import type { TraceEvent, TraceSink } from '../../src/trace/event.ts'
import { PerfettoTrace } from '../../src/trace/perfetto.ts'
import { Stretches } from '../../src/trace/stretch.ts'
import { TextTrace } from '../../src/trace/text.ts'
import { createL0 } from '../../src/vmm/index.ts'

const folder = mkdtempSync(join(tmpdir(), 'nidus-trace-'))
afterAll(() => { rmSync(folder, { recursive: true }) })

const { root } = protobuf.parse(`
  syntax = "proto2";
  message Trace { repeated TracePacket packet = 1; }
  message TracePacket {
    optional uint64 timestamp = 8; optional uint32 trusted_packet_sequence_id = 10; optional TrackEvent track_event = 11;
    optional InternedData interned_data = 12; optional uint32 sequence_flags = 13; optional TrackDescriptor track_descriptor = 60;
  }
  message TrackDescriptor { optional uint64 uuid = 1; optional string name = 2; optional ProcessDescriptor process = 3; optional uint64 parent_uuid = 5; optional int32 child_ordering = 11; optional int32 sibling_order_rank = 12; }
  message ProcessDescriptor { optional int32 pid = 1; optional string process_name = 6; }
  message TrackEvent {
    repeated uint64 category_iids = 3; repeated DebugAnnotation debug_annotations = 4; optional int32 type = 9; optional uint64 name_iid = 10; optional uint64 track_uuid = 11;
    repeated fixed64 flow_ids = 47; repeated fixed64 terminating_flow_ids = 48;
  }
  message DebugAnnotation { optional uint64 name_iid = 1; optional uint64 uint_value = 3; optional string string_value = 6; }
  message InternedData { repeated EventName event_names = 2; repeated EventName debug_annotation_names = 3; }
  message EventName { optional uint64 iid = 1; optional string name = 2; }`, { keepCase: true })
const Trace = root.lookupType('Trace')

interface Packet {
  readonly timestamp?: number
  readonly trusted_packet_sequence_id: number
  readonly sequence_flags: number
  readonly track_event?: { readonly type: number, readonly name_iid?: number, readonly track_uuid: number, readonly flow_ids?: readonly number[], readonly terminating_flow_ids?: readonly number[], readonly debug_annotations?: readonly { readonly name_iid: number, readonly string_value?: string, readonly uint_value?: number }[] }
  readonly interned_data?: { readonly event_names?: readonly { readonly iid: number, readonly name: string }[], readonly debug_annotation_names?: readonly { readonly iid: number, readonly name: string }[] }
  readonly track_descriptor?: { readonly uuid: number, readonly name?: string, readonly parent_uuid?: number, readonly process?: { readonly pid: number, readonly process_name: string } }
}

interface Slice { readonly track: string, readonly name: string, readonly from: number, until: number, readonly flows: readonly number[], readonly ending: readonly number[], readonly annotations: Readonly<Record<string, string | number>> }

/** What the trace processor makes of the packets. Throws where it would count an error. */
function read(bytes: Uint8Array): { readonly slices: Slice[], readonly instants: Slice[], readonly open: number } {
  const { packet } = Trace.toObject(Trace.decode(bytes), { longs: Number }) as { readonly packet: readonly Packet[] }
  const tracks = new Map<number, string>(), names = new Map<number, string>(), keys = new Map<number, string>(), open = new Map<number, Slice>()
  const slices: Slice[] = [], instants: Slice[] = []
  packet.forEach((each, i) => {
    expect(each.trusted_packet_sequence_id).toBe(1)
    expect(each.sequence_flags).toBe(i === 0 ? 1 : 2)
    for (const { iid, name } of each.interned_data?.event_names ?? []) names.set(iid, name)
    for (const { iid, name } of each.interned_data?.debug_annotation_names ?? []) keys.set(iid, name)
    const { track_descriptor: descriptor, track_event: event } = each
    if (descriptor !== undefined) {
      if (descriptor.parent_uuid !== undefined) expect(tracks.has(descriptor.parent_uuid)).toBe(true)
      tracks.set(descriptor.uuid, descriptor.process?.process_name ?? `${tracks.get(descriptor.parent_uuid!)} ${descriptor.name}`)
    }
    if (event === undefined) return
    const track = tracks.get(event.track_uuid)
    if (track === undefined) throw new Error(`packet ${i}: no track ${event.track_uuid}`)
    if (event.type === 2) {
      const slice = open.get(event.track_uuid)
      if (slice === undefined) throw new Error(`packet ${i}: the end of nothing on ${track}`)
      slice.until = each.timestamp!
      open.delete(event.track_uuid)
      return
    }
    const slice: Slice = {
      track, name: names.get(event.name_iid!)!, from: each.timestamp!, until: Number.NaN, flows: event.flow_ids ?? [], ending: event.terminating_flow_ids ?? [],
      annotations: Object.fromEntries((event.debug_annotations ?? []).map(({ name_iid, string_value, uint_value }) => [keys.get(name_iid)!, string_value ?? uint_value!])),
    }
    if (event.type === 3) {
      instants.push(slice)
      return
    }
    expect(open.has(event.track_uuid), track).toBe(false)
    open.set(event.track_uuid, slice)
    slices.push(slice)
  })
  return { slices, instants, open: open.size }
}

const built = (name: string) => readFileSync(new URL(`../../guests/built/${name}`, import.meta.url))

/** mini-kvm with bench, two vCPUs. */
function runNest(sink: TraceSink): void {
  const machine = createMachine({
    gic: 3, profile: 'v8.4', smp: 2, memBytes: 160 << 20, hash: false, onEvent: sink,
    l0: createL0({ vms: [{ image: built('mini-kvm-vhe'), initrd: built('bench'), append: 'vcpus=2 -- quiet=1 ops=4 warm=2', smp: 2, el2: 'nvhe-or-vhe', memBytes: 128 << 20, console: () => {} }] }),
  })
  expect(machine.run({ maxInstructions: 400e6 }).kind).toBe('off')
}

describe('a trace of the nest', { timeout: 120_000 }, () => {
  const chunks: Uint8Array[] = [], lines: string[] = [], events: TraceEvent[] = []
  const perfetto = new PerfettoTrace({ write: bytes => { chunks.push(bytes) } }), text = new TextTrace({ write: line => { lines.push(line) } })
  runNest((event, cycles) => {
    events.push(event)
    perfetto.sink(event, cycles)
    text.sink(event, cycles)
  })
  perfetto.finish()
  const { slices, instants, open } = read(Buffer.concat(chunks))
  const count = (kind: TraceEvent['kind']) => events.filter(event => event.kind === kind).length

  test('a slice for each exit and each entry, all of them ended, in time', () => {
    expect(open).toBe(0)
    const handled = slices.filter(({ track }) => track.endsWith(' L0'))
    expect(handled).toHaveLength(count('exit'))
    expect(slices.length - handled.length).toBe(count('entry'))
    expect([...new Set(slices.map(({ track }) => track))].sort()).toEqual([0, 1].flatMap(vcpu => ['L0', 'L1 hypervisor (vEL2)', 'L2'].map(row => `VM 0 vCPU ${vcpu} ${row}`)).sort())
    for (const { track, from, until } of slices) expect(until, track).toBeGreaterThanOrEqual(from)
    // Nothing overlaps on a track: what the UI would show as nesting.
    const ends = new Map<string, number>()
    for (const { track, from, until } of slices) {
      expect(from).toBeGreaterThanOrEqual(ends.get(track) ?? 0)
      ends.set(track, until)
    }
    expect(instants.filter(({ name }) => name === 'marker 0x101')).toHaveLength(4)
    expect(instants.some(({ name }) => name === 'interrupt 27 high')).toBe(true)
  })

  test('arrows: from each trap to its handling, and on to what runs next on that vCPU', () => {
    const starts = new Map<number, Slice>(), ends = new Map<number, Slice>()
    for (const slice of slices) {
      for (const flow of slice.flows) starts.set(flow, slice)
      for (const flow of slice.ending) ends.set(flow, slice)
    }
    for (const [flow, end] of ends) expect(starts.get(flow)!.from, String(flow)).toBeLessThanOrEqual(end.from)
    const handled = slices.filter(({ track }) => track.endsWith(' L0'))
    for (const slice of handled) {
      const trapped = slice.ending.map(flow => starts.get(flow)!)
      expect(trapped).toHaveLength(1)
      expect(trapped[0]!.until).toBe(slice.from)
    }
    // A hypercall of L2: to the guest hypervisor, and by an arrow of its own to where L2 goes on.
    const hypercall = handled.find(({ name, annotations }) => name === 'HVC' && annotations['from'] === 'L2' && annotations['action'] === 'inject to vEL2')!
    expect(hypercall.flows.map(flow => ends.get(flow)!.track)).toEqual(['VM 0 vCPU 0 L1 hypervisor (vEL2)', 'VM 0 vCPU 0 L2'])
    expect(ends.get(hypercall.flows[1]!)!.from - hypercall.until).toBeGreaterThan(1000)
  })

  test('text: KVM\'s names, in order, one exit and one entry for each event', () => {
    const of = (name: string) => lines.filter(line => line.includes(`: ${name}: `))
    expect(of('kvm_entry')).toHaveLength(count('entry'))
    expect(of('kvm_exit')).toHaveLength(count('exit'))
    expect(of('kvm_inject_nested_exception')).toHaveLength(count('nested exception'))
    expect(of('kvm_nested_eret')).toHaveLength(count('nested return'))
    expect(of('kvm_mmio')).toHaveLength(count('mmio'))
    const at = lines.findIndex(line => line.includes('nidus_marker: 0x101')), end = lines.findIndex((line, i) => i > at && line.startsWith('vm0/vcpu0/L2') && line.includes('kvm_entry'))
    const own = lines.slice(at, end + 1).filter(line => line.startsWith('vm0/vcpu0'))
    expect(own[1]).toMatch(/^vm0\/vcpu0\/L2 +\[000\] +\d\.\d{9}: kvm_exit: TRAP: HSR_EC: 0x0016 \(HVC64\), PC: 0x[0-9a-f]{16}$/)
    expect(own[2]).toMatch(/kvm_hvc_arm64: HVC at 0x[0-9a-f]{16} \(imm: 0x0\)$/)
    expect(own[3]).toMatch(/kvm_inject_nested_exception: Sync: esr_el2 0x5a000000 elr_el2: 0x[0-9a-f]+ spsr_el2: 0x[0-9a-f]{8} \(M: EL1h\) hcr_el2: [0-9a-f]+$/)
    expect(own.at(-3)).toMatch(/kvm_nested_eret: .*\(M: EL1h\)/)
    expect(own.at(-2)).toMatch(/nidus_handled: ERET: enter L2$/)
    // The sysreg accesses of L1 in between, with the encoding of the Arm ARM: ICC_SRE_EL2.
    expect(own.some(line => /kvm_sys_access: PC: [0-9a-f]+ ICC_SRE_EL2 \(3,4,12,9,5\) write$/.test(line))).toBe(true)
  })

  test('levels, events and stretches between markers', () => {
    const chosen: string[] = [], stretches = new Stretches(0x101, 0x102)
    const sink = stretches.around(new TextTrace({ write: line => { chosen.push(line) }, levels: ['L2'], events: ['kvm_exit', 'nidus_marker'], open: () => stretches.open }).sink)
    const sliced: Uint8Array[] = [], others = new Stretches(0x101, 0x102), part = new PerfettoTrace({ write: bytes => { sliced.push(bytes) }, levels: ['L2'], open: () => others.open })
    const both = others.around(part.sink)
    let cycles = 0
    for (const event of events) {
      both(event, cycles)
      sink(event, cycles++)
    }
    expect(stretches.ended).toBe(4)
    expect(chosen.filter(line => line.includes('nidus_marker: 0x101'))).toHaveLength(4)
    expect(chosen.filter(line => line.includes('nidus_marker: 0x102'))).toHaveLength(4)
    expect(chosen.every(line => /\/L2 .*: (?:kvm_exit|nidus_marker): /.test(line))).toBe(true)
    expect(new Set(read(Buffer.concat(sliced)).slices.map(({ track }) => track.replace(/.* /, '')))).toEqual(new Set(['L0', 'L2']))
  })
})

test('Ctrl-C leaves a whole file', { timeout: 60_000 }, async () => {
  const out = join(folder, 'cut.pftrace')
  const child = spawn(process.execPath, ['--no-warnings', 'bin/nidus.js', 'trace', 'guests/built/bench', '--on', 'vm', '--append', 'ops=1000000000', '--out', out], { stdio: ['pipe', 'pipe', 'ignore'] })
  child.stdout.once('data', () => { child.kill('SIGINT') })
  child.stdout.resume()
  expect(await once(child, 'exit')).toEqual([130, null])
  const { slices, open } = read(readFileSync(out))
  expect(open).toBe(0)
  expect(slices.filter(({ track }) => track === 'VM 0 vCPU 0 L0').length).toBeGreaterThan(10)
})
