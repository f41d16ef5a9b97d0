/** A client of 9p2000.L for tests: builds requests, and takes answers apart. */
import { Answer, Fields, HEADER, T } from './message.ts'
import type { NineServer } from './server.ts'

export type Field = { readonly u8: number } | { readonly u16: number } | { readonly u32: number } | { readonly u64: bigint | number } | { readonly text: string } | { readonly bytes: Uint8Array }
export const u8 = (value: number): Field => ({ u8: value })
export const u16 = (value: number): Field => ({ u16: value })
export const u32 = (value: number): Field => ({ u32: value })
export const u64 = (value: bigint | number): Field => ({ u64: value })
export const text = (value: string): Field => ({ text: value })
export const bytes = (value: Uint8Array): Field => ({ bytes: value })

export function message(type: number, ...fields: readonly Field[]): Uint8Array {
  const builder = new Answer()
  for (const field of fields) {
    if ('u8' in field) builder.u8(field.u8)
    else if ('u16' in field) builder.u16(field.u16)
    else if ('u32' in field) builder.u32(field.u32)
    else if ('u64' in field) builder.u64(field.u64)
    else if ('text' in field) builder.string(field.text)
    else builder.bytes(field.bytes)
  }
  return builder.finish(type, 1).slice()
}

export class Client {
  readonly server: NineServer
  room = 8192
  constructor(server: NineServer) { this.server = server }

  raw(request: Uint8Array): Uint8Array { return this.server.answer(request, this.room)! }

  /** The fields of the answer, or the error number. */
  call(type: number, ...fields: readonly Field[]): Fields | number {
    const answer = this.raw(message(type, ...fields))
    return answer[4] === T.lerror + 1 ? new Fields(answer, HEADER).u32() : new Fields(answer, HEADER)
  }

  /** Must succeed. */
  ask(type: number, ...fields: readonly Field[]): Fields {
    const answer = this.call(type, ...fields)
    if (typeof answer === 'number') throw new Error(`errno ${answer}`)
    return answer
  }

  begin(): this {
    this.ask(T.version, u32(8192), text('9P2000.L'))
    this.ask(T.attach, u32(0), u32(0xffff_ffff), text('root'), text(''), u32(0))
    return this
  }

  walk(from: number, to: number, ...names: readonly string[]): Fields | number { return this.call(T.walk, u32(from), u32(to), u16(names.length), ...names.map(text)) }
}
