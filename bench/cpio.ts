/** An initramfs with one executable file and a console: the "newc" format that the kernel takes. */

function entry(name: string, mode: number, inode: number, bytes: Uint8Array, device: readonly [number, number] = [0, 0]): Buffer {
  const fields = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, ...device, name.length + 1, 0]
  const padded = (part: Buffer): Buffer => Buffer.concat([part, Buffer.alloc(-part.length & 3)])
  return Buffer.concat([padded(Buffer.from(`070701${fields.map(field => field.toString(16).padStart(8, '0')).join('')}${name}\0`, 'latin1')), padded(Buffer.from(bytes))])
}

export function cpioOf(name: string, bytes: Uint8Array): Buffer {
  const none = new Uint8Array()
  return Buffer.concat([entry('dev', 0o40755, 1, none), entry('dev/console', 0o20600, 2, none, [5, 1]), entry(name, 0o100755, 3, bytes), entry('TRAILER!!!', 0, 0, none)])
}
