import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'

/** Design section 3, "May import": folder -> folders it may import beside itself. `trace/event.ts` may be imported everywhere. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  arch: [],
  isa: ['arch'],
  sysreg: ['arch'],
  mmu: ['arch'],
  engine: ['arch', 'isa', 'sysreg', 'mmu'],
  cpu: ['arch', 'isa', 'sysreg', 'mmu', 'engine'],
  devices: ['arch'],
  machine: ['arch', 'isa', 'sysreg', 'mmu', 'engine', 'cpu', 'devices', 'hypervisor'],
  hypervisor: ['arch', 'sysreg', 'mmu'],
  'hypervisor/paravirt': ['arch', 'sysreg', 'mmu', 'hypervisor', 'isa'],
  vmm: ['arch', 'sysreg', 'mmu', 'devices', 'hypervisor', 'hypervisor/paravirt'],
  snapshot: ['arch', 'sysreg', 'machine', 'vmm'],
  trace: ['arch', 'sysreg'],
  debug: ['arch', 'isa', 'sysreg', 'mmu', 'engine', 'cpu', 'devices', 'machine', 'hypervisor', 'hypervisor/paravirt', 'vmm', 'snapshot', 'trace'],
  lab: ['arch', 'isa', 'sysreg', 'mmu', 'engine', 'cpu', 'devices', 'machine', 'hypervisor', 'hypervisor/paravirt', 'vmm', 'trace', 'debug'],
  cli: ['arch', 'isa', 'sysreg', 'mmu', 'engine', 'cpu', 'devices', 'machine', 'hypervisor', 'hypervisor/paravirt', 'vmm', 'snapshot', 'trace', 'debug', 'lab'],
  web: ['arch', 'isa', 'sysreg', 'mmu', 'engine', 'cpu', 'devices', 'machine', 'hypervisor', 'hypervisor/paravirt', 'vmm', 'snapshot', 'trace', 'debug', 'lab'],
  /** What the package exports. */
  'index.ts': ['arch', 'isa', 'sysreg', 'mmu', 'engine', 'cpu', 'devices', 'machine', 'hypervisor', 'hypervisor/paravirt', 'vmm', 'snapshot', 'trace', 'debug', 'lab'],
}
/** The machine implements this interface and may see nothing else of L0. */
const HOST_INTERFACE = 'hypervisor/host.ts'

interface Import { readonly from: string, readonly specifier: string, readonly target: string, /** Erased before the code runs. */ readonly typeOnly: boolean }

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts')).map(file => file.replaceAll('\\', '/'))
const isTest = (file: string) => /\.test\.ts$|\.test-support\.ts$/.test(file)
const layerOf = (file: string) => file.startsWith('hypervisor/paravirt/') ? 'hypervisor/paravirt' : file.split('/')[0]!
const STATEMENT = /^(?:import|export)\s+(type\s+)?(?:[^'"=()]*?\sfrom\s+)?'([^']+)'|import\('([^']+)'\)/gm
const importsOf = (file: string): Import[] =>
  [...readFileSync(join('src', file), 'utf8').matchAll(STATEMENT)].map(([, type, named, dynamic]) => {
    const specifier = named ?? dynamic!
    return { from: file, specifier, target: specifier.startsWith('.') ? normalize(join(dirname(file), specifier)).replaceAll('\\', '/') : specifier, typeOnly: type !== undefined }
  })
const imports = sources.filter(file => !isTest(file)).flatMap(importsOf)

describe('layers of design section 3', () => {
  test('every folder imports only the layers below it', () => {
    const broken = imports.filter(({ from, specifier, target }) => {
      if (!specifier.startsWith('.') || target === 'trace/event.ts') return false
      const layer = layerOf(from), other = layerOf(target)
      if (layer === other) return false
      if (layer === 'machine' && other === 'hypervisor') return target !== HOST_INTERFACE
      return !(MAY_IMPORT[layer] ?? []).includes(other)
    })
    expect(broken.map(({ from, target }) => `${from} imports ${target}; ${layerOf(from)} may import ${(MAY_IMPORT[layerOf(from)] ?? []).join(', ') || 'nothing'}`)).toEqual([])
  })

  test('only cli/ imports node:, and libraries stay in cli/, web/ and lab/', () => {
    const broken = imports.filter(({ from, specifier }) => !specifier.startsWith('.') && !['cli', 'web'].includes(layerOf(from)))
    expect(broken.map(({ from, specifier }) => `${from} imports ${specifier}`)).toEqual([])
  })

  test('no wall clock, randomness or DOM below cli/ and web/', () => {
    const forbidden = /\b(?:Math\.random|Date\.now|new Date|performance\.now|document\.|window\.)/
    const broken = sources.filter(file => !isTest(file) && !['cli', 'web'].includes(layerOf(file))).flatMap(file =>
      readFileSync(join('src', file), 'utf8').split('\n').flatMap((line, i) => forbidden.test(line) && !/^\s*(?:\*|\/\/)/.test(line) ? [`${file}:${i + 1}: ${line.trim()}`] : []))
    expect(broken).toEqual([])
  })

  test('no import cycles when the code runs', () => {
    const graph = new Map(sources.map(file => [file, imports.filter(each => each.from === file && each.specifier.startsWith('.') && !each.typeOnly).map(each => each.target)]))
    const state = new Map<string, 'open' | 'done'>(), cycles: string[] = []
    const visit = (file: string, path: readonly string[]): void => {
      if (state.get(file) === 'done') return
      if (state.get(file) === 'open') { cycles.push([...path.slice(path.indexOf(file)), file].join(' -> ')); return }
      state.set(file, 'open')
      for (const next of graph.get(file) ?? []) visit(next, [...path, file])
      state.set(file, 'done')
    }
    for (const file of sources) visit(file, [])
    expect(cycles).toEqual([])
  })
})
