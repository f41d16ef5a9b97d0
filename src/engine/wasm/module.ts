/** Puts functions together into the bytes of a WebAssembly module. */
import { Bytes } from './bytes.ts'
import type { Code } from './code.ts'
import type { ValueType } from './expression.ts'

const SECTION = { type: 1, import: 2, function: 3, table: 4, export: 7, element: 9, code: 10 } as const
const KIND = { function: 0, table: 1, memory: 2 } as const
const FUNCTION_TYPE = 0x60
const FUNCREF = 0x70

interface Func { readonly type: number, readonly name: string | undefined, code: Code | undefined }

export class ModuleBuilder {
  private readonly types: string[] = []
  private readonly typeBytes: Bytes[] = []
  private readonly imports: { readonly name: string, readonly type: number }[] = []
  private readonly functions: Func[] = []
  private readonly elements: number[] = []
  private memories = 0
  private tableSize = 0
  private tableName: string | undefined

  /** Index of a function type; equal types are one. */
  type(parameters: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${parameters.join()}>${results.join()}`
    const known = this.types.indexOf(key)
    if (known >= 0) return known
    this.types.push(key)
    this.typeBytes.push(new Bytes().byte(FUNCTION_TYPE).u32(parameters.length).append(parameters).u32(results.length).append(results))
    return this.types.length - 1
  }

  /** Imports `env.memory`, a 32-bit memory of any size. */
  importMemory(): void {
    this.memories = 1
  }

  /** Imports `env.name`. All imports come before the first `declare`. */
  importFunction(name: string, parameters: readonly ValueType[], results: readonly ValueType[]): number {
    if (this.functions.length > 0) throw new Error('imports come first')
    this.imports.push({ name, type: this.type(parameters, results) })
    return this.imports.length - 1
  }

  /** Reserves a function index; `exported` is its name outside. */
  declare(parameters: readonly ValueType[], results: readonly ValueType[], exported?: string): number {
    this.functions.push({ type: this.type(parameters, results), name: exported, code: undefined })
    return this.imports.length + this.functions.length - 1
  }

  define(index: number, code: Code): void {
    this.functions[index - this.imports.length]!.code = code
  }

  /** Appends a function to table 0 and returns its place there. */
  addElement(index: number): number {
    return this.elements.push(index) - 1
  }

  /** Table 0 has room for `size` functions that others put there, and is exported. */
  exportTable(name: string, size: number): void {
    this.tableName = name
    this.tableSize = size
  }

  toBytes(): Uint8Array<ArrayBuffer> {
    const out = new Bytes(1 << 16)
    out.append([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0])
    const section = (id: number, count: number, write: (bytes: Bytes) => void): void => {
      if (count === 0) return
      const bytes = new Bytes(1 << 12).u32(count)
      write(bytes)
      out.byte(id).u32(bytes.length).append(bytes.view())
    }
    section(SECTION.type, this.typeBytes.length, bytes => this.typeBytes.forEach(type => bytes.append(type.view())))
    section(SECTION.import, this.imports.length + this.memories, bytes => {
      for (const { name, type } of this.imports) bytes.name('env').name(name).byte(KIND.function).u32(type)
      if (this.memories > 0) bytes.name('env').name('memory').byte(KIND.memory).byte(0).u32(1)
    })
    section(SECTION.function, this.functions.length, bytes => this.functions.forEach(f => bytes.u32(f.type)))
    const tableSize = Math.max(this.tableSize, this.elements.length)
    section(SECTION.table, tableSize > 0 ? 1 : 0, bytes => bytes.byte(FUNCREF).byte(0).u32(tableSize))
    const exported = this.functions.map((f, i) => ({ name: f.name, index: this.imports.length + i })).filter(f => f.name !== undefined)
    section(SECTION.export, exported.length + (this.tableName === undefined ? 0 : 1), bytes => {
      for (const f of exported) bytes.name(f.name!).byte(KIND.function).u32(f.index)
      if (this.tableName !== undefined) bytes.name(this.tableName).byte(KIND.table).u32(0)
    })
    section(SECTION.element, this.elements.length > 0 ? 1 : 0, bytes => {
      bytes.u32(0).byte(0x41).s32(0).byte(0x0b).u32(this.elements.length)
      for (const index of this.elements) bytes.u32(index)
    })
    section(SECTION.code, this.functions.length, bytes => {
      for (const f of this.functions) {
        if (f.code === undefined) throw new Error('a declared function has no code')
        const body = f.code.body()
        bytes.u32(body.length).append(body.view())
      }
    })
    return out.toBytes()
  }
}
