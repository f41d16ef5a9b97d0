/** A relocatable file with `.modinfo` and the table of section names. */
export function moduleFile(info: string): Uint8Array {
  const names = '\0.modinfo\0.shstrtab\0', data = new TextEncoder().encode(names + info)
  const bytes = new Uint8Array(64 + data.length + 3 * 64), view = new DataView(bytes.buffer), table = 64 + data.length
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  bytes.set(data, 64)
  view.setBigUint64(40, BigInt(table), true)
  view.setUint16(58, 64, true)
  view.setUint16(60, 3, true)
  view.setUint16(62, 2, true)
  const section = (n: number, name: number, offset: number, size: number): void => {
    view.setUint32(table + 64 * n, name, true)
    view.setBigUint64(table + 64 * n + 24, BigInt(offset), true)
    view.setBigUint64(table + 64 * n + 32, BigInt(size), true)
  }
  section(1, 1, 64 + names.length, info.length)
  section(2, 10, 64, names.length)
  return bytes
}
