/**
 * Coverage of reality (design section 6): decodes every word of the executable parts of Debian's kernels and of Xen. Each MRS, MSR and
 * SYS encoding must have a row in src/sysreg, each other word must decode with src/isa or be explained by a reason below.
 *
 *   node scripts/decode-text.ts                      everything: kernels 5.10, 6.1, 6.12, 7 and Xen 4.17, 4.20, through apt
 *   node scripts/decode-text.ts 6.12 xen-4.20        some of them
 *   node scripts/decode-text.ts --deb FILE.deb | --kernel Image
 *   --registers lists the registers and instructions of op0 1 to 3 that occur, with counts
 *
 * Exit code 1 if anything is unexplained.
 */
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { DebianSuite } from '../src/cli/debian/apt.ts'
import { cacheFolder } from '../src/cli/debian/cache.ts'
import { downloadKernel } from '../src/cli/debian/kernel.ts'
import { parseDebianName } from '../src/cli/debian/name.ts'
import { readPackage } from '../src/cli/debian/package.ts'
import { decode } from '../src/isa/decode.ts'
import { rowByKey } from '../src/sysreg/index.ts'

/** Instructions of features that no profile has: kernels contain them behind run-time checks. */
const FEATURES: readonly (readonly [mask: number, value: number, reason: string])[] = [
  [0x1e00_0000, 0x0400_0000, 'FEAT_SVE: state of user programs is saved and restored if there is SVE'],
  [0x9e00_0000, 0x8000_0000, 'FEAT_SME: as SVE'],
  [0xffff_f0ff, 0xd503_405f, 'FEAT_DIT: MSR DIT'],
  [0xffff_f0ff, 0xd503_409f, 'FEAT_MTE: MSR TCO'],
  [0xffff_f0ff, 0xd503_403f, 'FEAT_SSBS: MSR SSBS'],
  [0xffff_f0ff, 0xd503_407f, 'FEAT_SME: SMSTART, SMSTOP'],
  [0xffff_ffc0, 0xd503_1000, 'FEAT_WFxT: WFET, WFIT'],
  [0xff20_0000, 0xd920_0000, 'FEAT_MTE: tag loads and stores'],
  [0xff3f_fc00, 0xd91f_1c00, 'FEAT_GCS: GCSSTTR'],
  [0xff3f_fc00, 0xd91f_0c00, 'FEAT_GCS: GCSSTR'],
  [0xfba0_0c00, 0x1900_0400, 'FEAT_MOPS: CPY and SET'],
  [0xff20_0c00, 0x1d00_0400, 'FEAT_MOPS: CPY and SET'],
  [0xfb20_0c00, 0x1900_0400, 'FEAT_MOPS: CPY and SET'],
  [0xffe0_f800, 0xce60_8000, 'FEAT_SHA512'],
  [0xffff_fc00, 0xcec0_8000, 'FEAT_SHA512'],
  [0xffe0_fc00, 0xce60_8800, 'FEAT_SHA512'],
  [0xffe0_8000, 0xce00_0000, 'FEAT_SHA3'],
  [0xff80_0000, 0xce00_0000, 'FEAT_SHA3 or FEAT_SM3'],
  [0xff80_0000, 0xce80_0000, 'FEAT_SHA3'],
]

/** AArch32 code that the kernel copies to user pages (signal return, kuser helpers): words of A32 and pairs of T32 instructions. */
const AARCH32 = 'AArch32 code for compat processes (signal return, vectors page)'

/** How far after the address that code computes a table may reach. */
const TABLE_BYTES = 1024

const RET = 0xd65f_03c0
/** How functions begin: NOP, BTI, PACIASP (all hints), STP with pre-index, SUB SP. */
const isPrologue = (word: number): boolean => (word & 0xffff_f01f) >>> 0 === 0xd503_201f || (word & 0xffc0_0000) >>> 0 === 0xa980_0000 || (word & 0xff00_03ff) >>> 0 === 0xd100_03ff

// ---- finding code ------------------------------------------------------------------------------------------------------------------

const PAGE_WORDS = 1024
const isCall = (word: number): boolean => word >>> 26 === 0x25
const target26 = (index: number, word: number): number => index + ((word << 6) >> 6)
/** Op0 of the A64 top-level encoding table is allocated to base instructions. */
const plausible = (word: number): boolean => ((word >>> 25) & 15) >= 4 || ((word >>> 25) & 15) === 2

interface Section { readonly start: number, readonly end: number }

/**
 * Kernel packages have no symbols, so code is found by what code looks like: pages with calls whose targets lie in the image. Pages
 * between such pages belong to them if they are near (hand-written code has no calls). Ends are refined to the word.
 */
function codeSections(words: Uint32Array): Section[] {
  const pages = Math.floor(words.length / PAGE_WORDS)
  const strong: boolean[] = []
  for (let page = 0; page < pages; page++) {
    let inside = 0, outside = 0, odd = 0
    for (let i = page * PAGE_WORDS; i < (page + 1) * PAGE_WORDS; i++) {
      const word = words[i]!
      if (word !== 0 && !plausible(word)) odd++
      if (isCall(word)) { const target = target26(i, word); if (target >= 0 && target < words.length) inside++; else outside++ }
    }
    strong.push(inside >= 4 && outside * 8 <= inside && odd < PAGE_WORDS / 4)
  }
  const sections: Section[] = []
  for (let page = 0; page < pages;) {
    if (!strong[page]) { page++; continue }
    let last = page
    for (let next = page; next < pages && next - last <= 32; next++) if (strong[next]) last = next
    let end = (last + 1) * PAGE_WORDS
    // Past the last page that is certainly code: as long as words decode and are not padding.
    for (let zeros = 0; end < words.length && zeros < 4; end++) {
      const word = words[end]!
      if (word !== 0 && decode(word) === undefined) break
      zeros = word === 0 ? zeros + 1 : 0
    }
    if (last > page) sections.push({ start: page * PAGE_WORDS, end })
    page = Math.ceil(end / PAGE_WORDS)
  }
  return sections
}

// ---- reasons ------------------------------------------------------------------------------------------------------------------------

/** Word indices that code loads from (LDR literal) or computes the address of (ADR, ADRP with ADD). */
function dataReferences(words: Uint32Array, sections: readonly Section[]): { readonly literals: Set<number>, readonly tables: Set<number> } {
  const literals = new Set<number>(), tables = new Set<number>()
  for (const { start, end } of sections) {
    for (let i = start; i < end; i++) {
      const word = words[i]!
      if ((word & 0x3b00_0000) === 0x1800_0000) {
        // Size: opc 00 and 10 are 4 bytes, 01 8 bytes; SIMD&FP 4, 8, 16.
        const opc = word >>> 30, size = (word & 0x0400_0000) !== 0 ? 1 << opc : opc === 1 ? 2 : 1
        const at = i + ((word << 8) >> 13)
        for (let k = 0; k < size; k++) literals.add(at + k)
      } else if ((word & 0x9f00_0000) === 0x1000_0000) {
        tables.add((i * 4 + ((((word << 8) >> 13) << 2) | ((word >>> 29) & 3))) >> 2)
      } else if ((word & 0x9f00_0000) >>> 0 === 0x9000_0000) {
        const page = ((i * 4) & ~0xfff) + (((((word << 8) >> 13) << 2) | ((word >>> 29) & 3)) << 12)
        for (let k = i + 1; k < i + 6 && k < end; k++) {
          const add = words[k]!
          if ((add & 0xffc0_0000) >>> 0 === 0x9100_0000 && ((add >>> 5) & 31) === (word & 31)) { tables.add((page + ((add >>> 10) & 0xfff)) >> 2); break }
        }
      }
    }
  }
  return { literals, tables }
}

/** Bytes of the arm64 Image header and of the PE header that EFI stubs have. */
function headerWords(words: Uint32Array): number {
  const bytes = new DataView(words.buffer, words.byteOffset, words.byteLength)
  if (bytes.getUint32(0x38, true) !== 0x644d_5241) return 0
  const pe = bytes.getUint32(0x3c, true)
  if (pe + 24 > bytes.byteLength || bytes.getUint32(pe, true) !== 0x4550) return 16
  return (pe + 24 + bytes.getUint16(pe + 20, true) + 40 * bytes.getUint16(pe + 6, true)) >>> 2
}

interface Report {
  words: number
  readonly reasons: Map<string, number>
  readonly registers: Map<string, number>
  readonly unexplained: string[]
}

function examine(image: Uint8Array): Report & { readonly sections: readonly Section[] } {
  const words = new Uint32Array(image.slice(0, image.length & ~3).buffer)
  const found = codeSections(words)
  const { literals, tables } = dataReferences(words, found)
  const header = headerWords(words)
  const report: Report = { words: 0, reasons: new Map(), registers: new Map(), unexplained: [] }
  const count = (map: Map<string, number>, key: string): void => { map.set(key, (map.get(key) ?? 0) + 1) }
  const undecoded = (i: number): boolean => words[i] !== 0 && decode(words[i]!) === undefined

  const inCode = (i: number): boolean => found.some(({ start, end }) => i >= start && i < end)
  /** struct alt_instr: offsets of the original and the alternative code, relative to themselves; capability; two lengths. */
  const isAlternative = (i: number): boolean => {
    if (i < 0 || i + 2 >= words.length) return false
    const original = i + ((words[i]! | 0) >> 2), lengths = words[i + 2]! >>> 16
    const alternative = i + 1 + ((words[i + 1]! | 0) >> 2)
    return inCode(original) && alternative >= 0 && alternative < words.length && (lengths & 0x0303) === 0 && (lengths & 0xff) > 0
  }

  /** Two offsets relative to themselves: an instruction before it that may fault, and where to continue. */
  const isFixup = (i: number): boolean =>
    i >= 0 && i + 1 < words.length && (words[i]! | 0) < 0 && (words[i + 1]! | 0) < 0 && inCode(i + ((words[i]! | 0) >> 2)) && inCode(i + 1 + ((words[i + 1]! | 0) >> 2))

  /** Data that its use identifies. */
  const certainData = (i: number): string | undefined => {
    if (i < header) return 'Image and PE headers'
    if (literals.has(i)) return 'literal of an LDR (literal)'
    for (const k of [i, i - 1, i - 2]) if (isAlternative(k) && (isAlternative(k - 3) || isAlternative(k + 3))) return 'table of alternatives (.altinstructions)'
    for (const k of [i, i - 1]) if (isFixup(k) && (isFixup(k - 2) || isFixup(k + 2))) return "KVM's exception table, which stands behind the code of EL2"
    return undefined
  }
  /** Data by its surroundings. */
  const likelyData = (i: number, word: number): string | undefined => {
    for (let k = i; k > i - TABLE_BYTES / 4 && k >= 0; k--) {
      if (isCall(words[k]!) || words[k] === RET) break
      if (tables.has(k)) return isPrologue(words[k]!) ? undefined : 'table whose address code computes'
    }
    // 64-bit pointers: one half is the top of a kernel address.
    if (word === 0xffff_8000 || words[i + 1] === 0xffff_8000) return 'pointer'
    // A32 with condition AL does not decode as A64 and comes in runs.
    let always = 0
    for (let k = i - 16; k <= i + 16; k++) if (k >= 0 && words[k]! >>> 28 === 0xe && undecoded(k)) always++
    return always >= 2 ? AARCH32 : undefined
  }

  for (const { start, end } of found) {
    for (let i = start; i < end; i++) {
      const word = words[i]!
      report.words++
      const place = `0x${(i * 4).toString(16)}: ${word.toString(16).padStart(8, '0')}`
      // MSR, MRS, SYS, SYSL: 1101010100 L op0, op0 not 0.
      if ((word & 0xffc0_0000) >>> 0 === 0xd500_0000 && ((word >>> 19) & 3) !== 0) {
        const key = (word >>> 5) & 0xffff, row = rowByKey(key)
        const data = row === undefined ? certainData(i) ?? likelyData(i, word) : undefined
        if (row !== undefined) count(report.registers, row.implementationDefined ? `${row.name} (IMPLEMENTATION DEFINED)` : row.name)
        else if (data !== undefined) count(report.reasons, data)
        else report.unexplained.push(`${place}  no row for S${key >>> 14}_${(key >>> 11) & 7}_C${(key >>> 7) & 15}_C${(key >>> 3) & 15}_${key & 7}`)
        continue
      }
      if (word === 0) { count(report.reasons, 'padding (UDF #0)'); continue }
      if (decode(word) !== undefined) continue
      const reason = certainData(i) ?? FEATURES.find(([mask, value]) => ((word & mask) >>> 0) === value)?.[2] ?? likelyData(i, word)
      if (reason !== undefined) count(report.reasons, reason)
      else report.unexplained.push(`${place}  does not decode`)
    }
  }
  return { ...report, sections: found }
}

// ---- command ------------------------------------------------------------------------------------------------------------------------

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { deb: { type: 'string', multiple: true }, kernel: { type: 'string', multiple: true }, registers: { type: 'boolean' } },
})

interface Image { readonly name: string, readonly read: () => Promise<{ readonly file: string, readonly bytes: Uint8Array }> }

const options = { cache: cacheFolder(), progress: (text: string): void => { if (process.stderr.isTTY) process.stderr.write(`${text}\n`) } }
const IMAGE_PATH = /^(boot\/(vmlinuz|xen)-[^/]*arm64(\.gz)?|(usr\/)?lib\/modules\/[^/]+\/vmlinuz(\.unsigned)?)$/

async function fromPackages(debs: readonly string[]): Promise<{ file: string, bytes: Uint8Array }> {
  for (const deb of debs) for (const [path, bytes] of await readPackage(deb, path => IMAGE_PATH.test(path))) return { file: path, bytes }
  throw new Error(`${debs.map(deb => basename(deb)).join(', ')}: no kernel`)
}

const kernel = (series: string): Image => ({
  name: series, read: async () => fromPackages((await downloadKernel(parseDebianName(`debian:${series}-cloud`), options)).packages.map(({ file }) => file)),
})
const xen = (version: string, suite: string): Image => ({
  name: `xen-${version}`, read: async () => fromPackages([(await (await DebianSuite.open(suite, options)).download(`xen-hypervisor-${version}-arm64`)).file]),
})
const KNOWN: readonly Image[] = [kernel('5.10'), kernel('6.1'), kernel('6.12'), kernel('7'), xen('4.17', 'bookworm'), xen('4.20', 'trixie')]

for (const name of positionals) if (!KNOWN.some(image => image.name === name)) { console.error(`${name}: not one of ${KNOWN.map(image => image.name).join(', ')}`); process.exit(2) }
const given: readonly Image[] = [
  ...(values.kernel ?? []).map(file => ({ name: basename(file), read: async () => ({ file, bytes: readFileSync(file) }) })),
  ...(values.deb ?? []).map(deb => ({ name: basename(deb), read: () => fromPackages([deb]) })),
]
const images = given.length > 0 ? given : KNOWN.filter(image => positionals.length === 0 || positionals.includes(image.name))

const allRegisters = new Map<string, number>()
let failed = false
for (const { name, read } of images) {
  const { file, bytes } = await read()
  const { words, sections, reasons, registers, unexplained } = examine(bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes)
  console.log(`${name}: ${basename(file)}`)
  console.log(`  ${words} words in ${sections.map(({ start, end }) => `0x${(start * 4).toString(16)}..0x${(end * 4).toString(16)}`).join(', ')}`)
  console.log(`  ${registers.size} system registers and instructions, ${[...registers.values()].reduce((all, n) => all + n, 0)} uses, all with a row${unexplained.some(line => line.includes('no row')) ? ' except those below' : ''}`)
  for (const [reason, n] of [...reasons].sort(([, a], [, b]) => b - a)) console.log(`  ${String(n).padStart(8)}  ${reason}`)
  for (const line of unexplained.slice(0, 40)) console.log(`  UNEXPLAINED ${line}`)
  if (unexplained.length > 40) console.log(`  and ${unexplained.length - 40} more`)
  if (words === 0 || unexplained.length > 0) failed = true
  for (const [register, n] of registers) allRegisters.set(register, (allRegisters.get(register) ?? 0) + n)
}
if (values.registers === true) for (const [register, n] of [...allRegisters].sort(([a], [b]) => (a < b ? -1 : 1))) console.log(`${String(n).padStart(6)}  ${register}`)
if (failed) process.exitCode = 1
