/**
 * No field is forgotten by snapshots: every field that can change, of every class below, is in what the class saves and in what it restores,
 * or is named here with the reason why not. Adding a field to a class fails this test until it is saved (see docs/snapshots.md).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

const FOLDERS = ['cpu', 'devices', 'hypervisor', 'machine', 'vmm']

/** Of the whole class: it decides nothing, or all of it follows from what is saved. */
const NO_STATE: Readonly<Record<string, string>> = {
  Core: 'the machine saves lastCount; the rest lives during a run, or is wiring',
  Cpu: 'follows from the registers (stateChanged)',
  Maintenance: 'scratch and a cache of decoded operations',
  PointerAuthentication: 'scratch and a cache of keys, compared with the registers',
  Resolutions: 'a cache of a pure function',
  RegisterMoves: 'made once',
  SystemRegisters: 'made once',
  MemoryAccess: 'scratch; caches that are dropped with the TLB',
  ViewRegistry: 'translations are dropped',
  PEViews: 'translations are dropped',
  WalkMemory: 'scratch',
  VirtualBytes: 'scratch',
  Semihosting: 'open files and what was typed are the host\'s',
  FlashBanks: 'the bytes are RAM, the modes follow from the devices',
  SystemAccess: 'wiring',
  Exceptions: 'wiring',
  Interrupts: 'wiring',
  RegisterFrame: 'made once',
  GuestDescriptors: 'scratch of one walk',
  Connection: 'the host\'s connections cannot be saved: the guest finds them reset',
  Fields: 'one message of 9p',
  Answer: 'one message of 9p',
  AddressSpace: 'made once; the last region is a cache',
  PageStore: 'RAM itself',
  TextMatcher: 'belongs to the caller of run',
}

/** Fields, by class. */
const NOT_SAVED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  PE: {
    index: 'fixed', gic: 'saved with devices', views: 'translations are dropped', resolutions: 'a cache of a pure function', vncrPage: 'a translation', vncrWritable: 'a translation',
  },
  Pmu: {},
  Timers: { '#file': 'the registers of the PE' },
  CpuInterface: { onChange: 'wiring', '#distributor': 'reference' },
  GicDistributor: { '#gicd': 'made once', '#gicr': 'made once' },
  InterruptState: { onChange: 'wiring', onSignal: 'wiring', '#targeted': 'follows from the rest', '#candidates': 'follows from the rest', '#best': 'follows from the rest' },
  PhysicalInterface: { irq: 'follows from the rest', fiq: 'follows from the rest', '#distributor': 'reference' },
  VirtualInterface: {
    irq: 'follows from the rest', fiq: 'follows from the rest', '#maintenanceLevel': 'follows from the rest',
    groupEnables: 'in VMCR', acknowledgeBoth: 'in VMCR', fiqEnable: 'in VMCR', commonBinaryPoint: 'in VMCR', split: 'in VMCR', priorityMask: 'in VMCR', binaryPoint0: 'in VMCR', binaryPoint1: 'in VMCR',
  },
  Pl011: { '#level': 'follows from the rest' },
  Flash: { '#mode': 'restored by #go', '#query': 'fixed', '#options': 'fixed' },
  FwCfg: { '#items': 'fixed', '#memory': 'wiring' },
  VirtioBlock: { queueSizes: 'fixed', configuration: 'fixed', '#id': 'fixed', '#device': 'wiring' },
  VirtioConsole: { features: 'fixed', queueSizes: 'fixed', configuration: 'fixed', '#device': 'wiring' },
  VirtioEntropy: { features: 'fixed', queueSizes: 'fixed', configuration: 'fixed', '#device': 'wiring' },
  PciFunction: { '#writable': 'made once', '#view': 'shows #bytes', '#bars': 'made once', '#capabilityEnd': 'made once', '#lastCapability': 'made once' },
  PciHost: { io: 'has no state', '#levels': 'each device raises its line again' },
  Selection: { '#device': 'wiring' },
  VirtioPci: { '#window': 'made once' },
  VirtioNetwork: { features: 'fixed', queueSizes: 'fixed', configuration: 'fixed', '#device': 'wiring' },
  UserNetwork: { '#connections': 'as Connection', '#byAddress': 'as Connection', '#questions': 'the host will not answer them' },
  VirtioShare: { features: 'fixed', queueSizes: 'fixed', configuration: 'fixed', '#device': 'wiring' },
  VirtioDevice: { onInterrupt: 'wiring' },
  Virtqueue: { '#word': 'scratch', '#view': 'scratch', '#descriptor': 'scratch', '#descriptorView': 'scratch' },
  InlineAccess: { '#selected': 'what generated code has, of which no snapshot knows' },
  Machine: {
    '#flash': 'saved with devices and RAM', '#semihosting': 'open files are the host\'s',
    '#options': 'fixed', reserved: 'fixed', '#power': 'wiring', memory: 'RAM itself', cpu: 'wiring', l0: 'saves itself', '#matcher': 'belongs to the caller of run',
  },
  OutsideEvents: { '#receivers': 'wiring' },
  HostPort: { '#lists': 'a cache of the cost of lists', '#target': 'reference', '#cpu': 'wiring', memory: 'RAM itself', '#distributor': 'reference', reserved: 'fixed' },
  RunLoop: { '#suspended': 'a machine in the middle of a turn is not saved', '#cpu': 'wiring' },
  SelfHostedDebug: { '#enabled': 'worked out from the registers', '#passing': 'within one step', '#entered': 'within one step', '#core': 'wiring', '#exceptions': 'wiring' },
  L0: { busy: 'nobody works while a snapshot is taken', '#configs': 'fixed', power: 'wiring', memory: 'RAM itself' },
  Vm: {
    config: 'fixed', memory: 'made once',
  },
  CodePages: { '#core': 'wiring', '#vm': 'reference', '#rewritten': 'saves itself', '#bytes': 'scratch', '#blocks': 'follows from the pages', '#copies': 'follows from the pages' },
  PageRewriter: { '#numbers': 'follows from the escapes' },
  Vcpu: { vm: 'reference', pe: 'reference', controls: 'a view of the files' },
  VcpuGic: { '#vcpu': 'reference' },
  VcpuTimers: { '#vcpu': 'reference', '#all': 'fixed' },
  NestedVcpu: { '#vcpu': 'reference', '#memory': 'RAM itself', '#bytes': 'scratch of one copy', '#words': 'shows #bytes', walk: 'scratch of one walk', descriptors: 'scratch of one walk' },
  NestedGic: { '#vcpu': 'reference', '#memory': 'RAM itself' },
  ShadowStage2: { largest: 'chooses between two ways to the same leaves', regime: 'follows from the key', reverse: 'follows from the leaves' },
  Stage2Table: { '#memory': 'RAM itself', '#pages': 'reference' },
  PageAllocator: { '#memory': 'RAM itself' },
  Pe: { host: 'wiring', queue: 'made once', current: '', fpOwner: '', interface: '' },
}

interface Class { readonly file: string, readonly name: string, readonly fields: readonly { readonly name: string, readonly changes: boolean, readonly type: string }[], readonly saves: string, readonly restores: string, readonly hasSave: boolean }

const sources = FOLDERS.flatMap(folder => readdirSync(`src/${folder}`, { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts') && !/\.test(-support)?\.ts$/.test(name)).map(name => `src/${folder}/${name}`))

const FIELD = /^ {2}(?:private |protected )?(readonly )?(#?\w+)[!?]?(?:: (.+?))?(?: = (.+))?$/
const CONTAINER = /^(?:new (?!Int32Array\(this)|\[|\{|create)|Array\.from/
const CONTAINER_TYPE = /(?<!readonly )(?:\b\w+|\})\[\]|^(?!ReadonlyMap|ReadonlySet)(?:\w*Array|Map<|Set<|RegisterFile|Record<)/

function classesOf(file: string): Class[] {
  const text = readFileSync(file, 'utf8'), found: Class[] = []
  for (const [, name, body] of text.matchAll(/^(?:export )?(?:abstract )?class (\w+)[^\n]*\{\n([\s\S]*?)^\}/gm)) {
    const fields: { name: string, changes: boolean, type: string }[] = []
    for (const line of body!.split('\n')) {
      const field = /^ {2}(?:static|get|set|async|return|constructor|override|protected abstract)\b/.test(line) || /^ {2}#?\w+\(/.test(line) ? null : FIELD.exec(line)
      if (field === null || (field[3] === undefined && field[4] === undefined)) continue
      const [, readonly, fieldName, type = '', initial = ''] = field
      fields.push({ name: fieldName!, changes: readonly === undefined || CONTAINER.test(initial) || CONTAINER_TYPE.test(type), type: type || /^new (\w+)/.exec(initial)?.[1] || '' })
    }
    const method = (names: string): string => [...body!.matchAll(new RegExp(`^ {2}(?:override )?(?:get )?(?:${names})(?:\\(| )[\\s\\S]*?(?:\\}$(?=\\n(?: {2}\\S|\\n|$))|^ {2}\\}$)`, 'gm'))].map(([all]) => all).join('\n')
    // Tables of fields of this class: `const X: Fields<Class>`, `record<Class>`.
    const tables = [...text.matchAll(new RegExp(`^(?:export )?const \\w+[^\\n]*(?:Fields|record|value)<${name}>[^\\n]*\\n(?:(?: {2}|\\})[^\\n]*\\n)*`, 'gm'))].map(([all]) => all).join('\n')
    const saves = method('save|saveState|#fields') + tables, restores = method('restore|restoreState|load|#fields') + tables
    found.push({ file, name: name!, fields, saves, restores, hasSave: /^ {2}(?:override )?(?:save|saveState)\(\)/m.test(body!) })
  }
  return found
}

const classes = sources.flatMap(classesOf)
const stateful = new Set(classes.filter(({ name, fields }) => !(name in NO_STATE) && fields.some(({ changes }) => changes)).map(({ name }) => name))
const mentions = (text: string, field: string): boolean => new RegExp(`(?<![\\w#])${field}\\b`).test(text)
/** It changes, or refers to something that does. */
const matters = ({ changes, type }: Class['fields'][number]): boolean => changes || (/\w+/g.exec(type) !== null && [...type.matchAll(/\w+/g)].some(([word]) => stateful.has(word)))

describe('what snapshots keep', () => {
  test('classes with state are found', () => {
    for (const name of ['PE', 'Timers', 'Pmu', 'Pl011', 'Pl031', 'InterruptState', 'Machine', 'HostPort', 'L0', 'Vm', 'Vcpu', 'VcpuGic', 'VcpuTimers', 'NestedVcpu', 'NestedGic', 'ShadowStage2', 'Stage2Table', 'PageAllocator', 'VmidAllocator', 'Pe', 'Exit']) {
      expect([...stateful]).toContain(name)
    }
  })

  test('every field that changes is saved and restored, or has a reason', () => {
    const forgotten = classes.filter(({ name }) => stateful.has(name)).flatMap(({ file, name, fields, saves, restores }) => fields.filter(matters).filter(field => !(field.name in (NOT_SAVED[name] ?? {}))).flatMap(field => {
      const missing = [...mentions(saves, field.name) ? [] : ['saved'], ...mentions(restores, field.name) ? [] : ['restored']]
      return missing.length === 0 ? [] : [`${file}: ${name}.${field.name} is not ${missing.join(' and not ')}`]
    }))
    expect(forgotten).toEqual([])
  })

  test('the reasons are about fields that exist', () => {
    const stale = Object.entries(NOT_SAVED).flatMap(([name, fields]) => Object.keys(fields).filter(field => !classes.some(each => each.name === name && each.fields.some(other => other.name === field))).map(field => `${name}.${field}`))
    expect([...stale, ...Object.keys(NO_STATE).filter(name => !classes.some(each => each.name === name))]).toEqual([])
  })

  test('no state hides outside classes', () => {
    const hidden = sources.flatMap(file => readFileSync(file, 'utf8').split('\n').flatMap((line, i) => /^(?:export )?(?:let |const \w+ = new (?:Weak|Map|Set)\w*(?:<.*>)?\(\))/.test(line) ? [`${file}:${i + 1}: ${line}`] : []))
    // A cache of layouts, which depend on nothing but their key.
    expect(hidden.filter(line => !line.startsWith('src/hypervisor/nested/page.ts'))).toEqual([])
  })
})
