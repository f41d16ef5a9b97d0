/** Reader of ar archives in the common form, which a Debian package is (deb(5)): members `debian-binary`, `control.tar.*`, `data.tar.*`. */
import { BadInput } from '../bad-input.ts'

export interface ArMember { readonly name: string, readonly bytes: Uint8Array }

const MAGIC = '!<arch>\n'
const HEADER = 60
const ascii = new TextDecoder('latin1')

export const isAr = (bytes: Uint8Array): boolean => ascii.decode(bytes.subarray(0, MAGIC.length)) === MAGIC

/** The members, as views of `bytes`. Throws BadInput. */
export function readAr(bytes: Uint8Array): ArMember[] {
  if (!isAr(bytes)) throw new BadInput('ar archive', 'no magic number', 0)
  const members: ArMember[] = []
  for (let at = MAGIC.length; at < bytes.length;) {
    if (at + HEADER > bytes.length) throw new BadInput('ar archive', 'a member header runs out of the file', at)
    const header = ascii.decode(bytes.subarray(at, at + HEADER))
    if (header.slice(58) !== '`\n') throw new BadInput('ar archive', 'a member header does not end as it should', at + 58)
    const digits = header.slice(48, 58).trimEnd()
    if (!/^\d+$/.test(digits)) throw new BadInput('ar archive', `'${digits}' is not a size`, at + 48)
    const size = Number(digits), start = at + HEADER
    if (start + size > bytes.length) throw new BadInput('ar archive', `a member of ${size} bytes runs out of the file`, at)
    // System V ends names with a slash.
    members.push({ name: header.slice(0, 16).trimEnd().replace(/\/$/, ''), bytes: bytes.subarray(start, start + size) })
    at = start + size + (size & 1)
  }
  return members
}
