/** A machine for unit tests of L0: plain registers, RAM in an array, no CPU. Every access is logged in words. */
import type { Feature, ProfileName } from '../arch/features.ts'
import { profile } from '../arch/features.ts'
import type { GicVersion } from '../arch/gic.ts'
import { createRegisterFile } from '../arch/register-file.ts'
import { createDistributor } from '../devices/index.ts'
import { resetValues, ROWS, SLOT, SLOTS } from '../sysreg/index.ts'
import type { L0Environment } from './host.ts'
import type { GicFrame, Host, PhysicalMemory, RegisterList } from './host.ts'
import { L0 } from './run.ts'
import type { Vcpu } from './vcpu.ts'
import type { RewrittenGuest, VirtualEL2, VmConfig, VmEnd } from './vm.ts'

export const RAM = 0x4000_0000, RAM_SIZE = 64 << 20, RESERVED = { base: RAM + (48 << 20), size: 16 << 20 }
/** The VM's RAM: its IPA 0x4000_0000 is not the machine's. */
export const VM_PA = RAM + (16 << 20), VM_SIZE = 16 << 20
export const ENTRY = 0x4008_0000

export class FakeMemory implements PhysicalMemory {
  readonly #bytes = new Uint8Array(RAM_SIZE)
  readonly #view = new DataView(this.#bytes.buffer)
  isRam(pa: number, size: number): boolean { return pa >= RAM && pa + size <= RAM + RAM_SIZE }
  read64(pa: number): bigint | undefined { return this.isRam(pa, 8) ? this.#view.getBigUint64(pa - RAM, true) : undefined }
  read32(pa: number): number | undefined { return this.isRam(pa, 4) ? this.#view.getUint32(pa - RAM, true) : undefined }
  write64(pa: number, value: bigint): boolean {
    if (!this.isRam(pa, 8)) return false
    this.#view.setBigUint64(pa - RAM, value, true)
    return true
  }
  write32(pa: number, value: number): boolean {
    if (!this.isRam(pa, 4)) return false
    this.#view.setUint32(pa - RAM, value, true)
    return true
  }
  readBytes(pa: number, into: Uint8Array): boolean {
    if (!this.isRam(pa, into.length)) return false
    into.set(this.#bytes.subarray(pa - RAM, pa - RAM + into.length))
    return true
  }
  writeBytes(pa: number, from: Uint8Array): boolean {
    if (!this.isRam(pa, from.length)) return false
    this.#bytes.set(from, pa - RAM)
    return true
  }
  fill(pa: number, size: number, value: number): boolean {
    if (!this.isRam(pa, size)) return false
    this.#bytes.fill(value, pa - RAM, pa - RAM + size)
    return true
  }
}

const NAME_OF_SLOT: string[] = []
for (const row of ROWS) if (row.slot >= 0 && row.aliasOf === undefined && row.viewOf === undefined) NAME_OF_SLOT[row.slot] = row.name

export class FakeHost implements Host {
  readonly pe: number
  readonly peCount: number
  readonly profile: ProfileName
  readonly features: ReadonlySet<Feature>
  readonly gicVersion: GicVersion
  readonly memory: FakeMemory
  readonly reserved = RESERVED
  trace: Host['trace']
  readonly file = createRegisterFile(SLOTS)
  readonly general = new BigUint64Array(31)
  readonly frames = new Map<string, number>()
  readonly log: string[] = []
  /** INTIDs that IAR will return. */
  readonly interrupts: number[] = []
  now = 0n

  constructor(environment: L0Environment, pe = 0) {
    this.pe = pe
    this.peCount = environment.peCount
    this.profile = environment.profile
    this.features = environment.features
    this.gicVersion = environment.gicVersion
    this.memory = environment.memory as FakeMemory
    this.frames.set('GICH 4', 3) // VTR: four list registers
    this.file.u64[SLOT.ICH_VTR_EL2] = 3n
  }

  x(n: number): bigint { return this.general[n]! }
  setX(n: number, value: bigint): void { this.general[n] = value }
  mrs(slot: number): bigint {
    this.log.push(`mrs ${NAME_OF_SLOT[slot]}`)
    if (slot === SLOT.ICC_IAR1_EL1) return BigInt(this.interrupts.shift() ?? 1023)
    return this.file.u64[slot]!
  }
  msr(slot: number, value: bigint): void {
    this.log.push(`msr ${NAME_OF_SLOT[slot]}`)
    this.file.u64[slot] = value
  }
  save(list: RegisterList, into: { readonly u64: BigUint64Array }): void {
    this.log.push(`save ${list.name}`)
    for (const { register, slot } of list.moves) into.u64[slot] = this.file.u64[register]!
  }
  restore(list: RegisterList, from: { readonly u64: BigUint64Array }): void {
    this.log.push(`restore ${list.name}`)
    for (const { register, slot } of list.moves) this.file.u64[register] = from.u64[slot]!
  }
  saveFp(): void { this.log.push('save FP') }
  restoreFp(): void { this.log.push('restore FP') }
  mmioRead(frame: GicFrame, offset: number): number {
    this.log.push(`read ${frame}+${offset.toString(16)}`)
    if (frame === 'GICC' && offset === 0xc) return this.interrupts.shift() ?? 1023
    return this.frames.get(`${frame} ${offset.toString(16)}`) ?? 0
  }
  mmioWrite(frame: GicFrame, offset: number, value: number): void {
    this.log.push(`write ${frame}+${offset.toString(16)}`)
    this.frames.set(`${frame} ${offset.toString(16)}`, value)
  }
  tlbi(operation: string): void { this.log.push(`tlbi ${operation}`) }
  invalidateInstructions(): void {}
  at(): void {}
  counter(): bigint { return this.now }
  sendSgi(target: number, intid: number): void { this.log.push(`SGI ${intid} to PE ${target}`) }
  charge(): void {}

  get elr(): bigint { return this.file.u64[SLOT.ELR_EL2]! }
  get spsr(): number { return Number(this.file.u64[SLOT.SPSR_EL2]!) }
  get hcr(): bigint { return this.file.u64[SLOT.HCR_EL2]! }
}

export interface FakeOptions {
  readonly profile?: ProfileName
  readonly gic?: GicVersion
  readonly el2?: VirtualEL2
  readonly cpus?: number
  readonly pes?: number
  readonly policy?: 'split' | 'lazy'
  readonly rewritten?: RewrittenGuest
  /** The VM is offered FEAT_NV (and NV2 where the profile has it). */
  readonly recursion?: boolean
}

export interface Fake { readonly l0: L0, readonly hosts: readonly FakeHost[], readonly host: FakeHost, readonly vcpu: Vcpu, readonly actions: string[], readonly ends: VmEnd[], exit(syndrome: number, more?: ExitValues): string }
export interface ExitValues { readonly pc?: bigint, readonly pstate?: number, readonly far?: bigint, readonly ipa?: number, readonly kind?: 'sync' | 'irq', readonly pe?: number }

/** L0 with one VM, started on every PE. */
export function fakeL0(options: FakeOptions = {}): Fake {
  const name = options.profile ?? 'v8.3', gicVersion = options.gic ?? 2, el2 = options.el2 ?? 'none', cpus = options.cpus ?? 1
  const machine = profile(name).features
  const environment: L0Environment = {
    memory: new FakeMemory(), ram: { base: RAM, size: RAM_SIZE }, reserved: RESERVED, peCount: options.pes ?? 1, profile: name, features: machine, gicVersion, console: () => {}, listen: () => {},
  }
  const features = profile(name, [...(options.recursion === true ? [] : ['FEAT_NV'] as const), ...(el2 === 'nvhe' ? ['FEAT_VHE'] as const : []), ...(el2 === 'none' ? [] : ['FEAT_ECV'] as const)]).features
  const ends: VmEnd[] = []
  const config: VmConfig = {
    id: 0, features, gicVersion, el2, cpus, entry: ENTRY, argument: 0x4400_0000,
    slots: [{ kind: 'ram', ipa: RAM, size: VM_SIZE, pa: VM_PA }, ...(gicVersion === 2 ? [{ kind: 'device', ipa: 0x0801_0000, size: 0x2000, pa: 0x0804_0000 } as const] : [])],
    frames: { gicd: 0x0800_0000, gicc: 0x0801_0000, gich: 0x0803_0000, gicv: 0x0804_0000, gicr: gicVersion === 3 ? 0x080a_0000 : undefined, physicalGicv: 0x0804_0000 },
    distributor: createDistributor({ version: gicVersion, cpus, targets: 'lowest' }),
    user: { mmioRead: (_vcpu, ipa) => ipa === 0x0900_0000 ? 0x5a : undefined, mmioWrite: (_vcpu, ipa) => ipa === 0x0900_0000, ended: end => { ends.push(end) }, saveState: () => undefined, restoreState: () => {} },
    affinity: vcpu => vcpu,
    ...(options.rewritten === undefined ? {} : { rewritten: options.rewritten }),
    resetRegisters: (vcpu, { file }) => { resetValues({ features }, { pe: vcpu, gicVersion, el2: el2 !== 'none' }, file) },
  }
  const l0 = new L0(environment, options.policy ?? 'lazy', [config])
  const hosts = Array.from({ length: environment.peCount }, (_, pe) => new FakeHost(environment, pe))
  for (const host of hosts) l0.start(host)
  // The VM's virtual counter has started at 0.
  for (const host of hosts) host.now = 1000n
  const actions: string[] = []
  for (const host of hosts) host.trace = event => event.kind === 'exit' && actions.push(`${event.level} ${event.subject}${event.direction === null ? '' : ` ${event.direction}`}: ${event.action}`)
  const vcpu = l0.vms[0]!.vcpus[0]!
  return {
    l0, hosts, host: hosts[0]!, vcpu, actions, ends,
    exit(syndrome, more = {}) {
      const host = hosts[more.pe ?? 0]!, { u64 } = host.file
      u64[SLOT.ESR_EL2] = BigInt(syndrome)
      if (more.pc !== undefined) u64[SLOT.ELR_EL2] = more.pc
      if (more.pstate !== undefined) u64[SLOT.SPSR_EL2] = BigInt(more.pstate)
      u64[SLOT.FAR_EL2] = more.far ?? BigInt(more.ipa ?? 0)
      u64[SLOT.HPFAR_EL2] = BigInt(Math.floor((more.ipa ?? 0) / 4096)) << 4n
      host.log.length = 0
      const after = l0.handle(host, more.kind ?? 'sync')
      return `${actions.at(-1) ?? ''} (${after})`
    },
  }
}
