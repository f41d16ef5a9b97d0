/**
 * The pages of the site, in docs/.vitepress/source: those of docs/, README and its neighbours with their links turned, the matrices as
 * the code gives them, and the library's reference. A link to what is no page is an error.
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { PROFILE_NAMES, type ProfileName } from '../src/arch/features.ts'
import { matrixOf } from '../src/sysreg/matrix.ts'
import { node, root } from './setup.js'

const docs = join(root, 'docs'), source = join(docs, '.vitepress/source')
/** Pages from outside docs/. */
const PAGES: Readonly<Record<string, string>> = {
  'README.md': 'start.md', 'ARCHITECTURE.md': 'architecture.md', 'SPECIFICATION.md': 'specification.md', 'CHANGELOG.md': 'changelog.md', 'guests/README.md': 'guests.md', 'guests/mini-kvm/ACCESSES.md': 'accesses.md',
}

const write = (path: string, text: string | Uint8Array): void => {
  mkdirSync(dirname(join(source, path)), { recursive: true })
  writeFileSync(join(source, path), text)
}

/** Where a file of the repository stands on the site; undefined: it does not. */
const pageOf = (file: string): string | undefined => PAGES[file] ?? (/^docs\/[\w.-]+$/.test(file) && existsSync(join(root, file)) ? file.slice('docs/'.length) : undefined)

/** What looks like a tag or a template outside of code is text in our pages, and neither on GitHub nor here anything else. */
function withoutTags(text: string): string {
  let fenced = false
  return text.split('\n').map(line => {
    if (line.startsWith('```')) fenced = !fenced
    if (fenced || /^ {4}|^```/.test(line)) return line
    return line.split(/(`+[^`]*`+)/).map((part, i) => i % 2 === 1 ? part : part.replaceAll(/<(?!https?:)/g, '&lt;').replaceAll('{{', '&#123;&#123;')).join('')
  }).join('\n')
}

function page(file: string): void {
  const text = readFileSync(join(root, file), 'utf8'), folder = dirname(file)
  const turned = text.replaceAll(/(?<=\]\()(?!https?:|#)([^)#]+)/g, link => {
    const target = pageOf(normalize(join(folder, link)).replaceAll('\\', '/'))
    if (target === undefined) throw new Error(`${file}: '${link}' is no page of the site`)
    return `./${target}`
  })
  write(pageOf(file)!, text.startsWith('---\nlayout: home') ? turned : withoutTags(turned))
}

/** One page for each profile. */
function matrixPage(name: ProfileName): void {
  const { situations, lines, missing } = matrixOf(name)
  write(`matrix/${name}.json`, JSON.stringify({ situations, lines: lines.map(line => [line.name, ...line.cells]) }))
  write(`matrix/${name}.md`, [
    '---', 'pageClass: matrix-page', 'aside: false', '---', '', '<script setup>', `import matrix from './${name}.json'`, '</script>', '',
    `# Matrix of ${name}`, '',
    `What every system register and system instruction of profile **${name}** does in each situation, with GICv3: the rules that the machine executes by, asked one by one. A column is an exception level with what is`,
    'set in HCR_EL2 and the other trap controls. Two entries in a cell are read, then write.', '',
    '<p class="legend"><span class="own">reg</span> the register itself, <span class="own">run</span> the instruction executes; <span class="other">NAME</span> that register instead; <span class="memory">[110]</span> memory at VNCR_EL2 + 0x110; <span class="trap">trap2</span> an exception to EL2, with its class if it is not that of MSR and MRS; <span class="undefined">-</span> UNDEFINED.</p>', '',
    `In a terminal: \`nidus matrix --arch ${name}\`, and \`nidus explain 'mrs x0, vbar_el2' --at vEL2 --arch ${name}\` for the reason of one cell.`, '',
    '<Matrix :matrix="matrix" />', '',
    ...(missing.length > 0 ? [`${missing.length} more names are known and UNDEFINED everywhere, because ${name} lacks the feature.`, ''] : []),
  ].join('\n'))
}

/** TypeDoc has a TypeScript of its own: it needs the compiler's programming interface, which TypeScript 7 has not. */
function reference(): void {
  const options = {
    tsconfig: join(root, 'tsconfig.types.json'), entryPoints: [join(root, 'src/index.ts')], out: join(source, 'api'), plugin: ['typedoc-plugin-markdown', 'typedoc-vitepress-theme'],
    docsRoot: source, readme: 'none', name: 'nidus', disableSources: true, excludePrivate: true, excludeInternal: true, excludeExternals: true, hideGenerator: true, hideBreadcrumbs: true, hidePageHeader: true,
    parametersFormat: 'table', interfacePropertiesFormat: 'table', typeDeclarationFormat: 'table', router: 'member', sidebar: { pretty: false },
    // Types of the inside that the library's types are made of are named and not listed.
    validation: { notExported: false, invalidLink: true }, treatWarningsAsErrors: true, logLevel: 'Warn',
  }
  write('typedoc.json', JSON.stringify(options))
  const child = spawnSync(node, [join(docs, 'node_modules/typedoc/bin/typedoc'), '--options', join(source, 'typedoc.json')], { cwd: docs, stdio: ['ignore', 2, 2] })
  if (child.status !== 0) throw new Error('typedoc failed')
}

rmSync(source, { recursive: true, force: true })
for (const file of readdirSync(docs).filter(name => name.endsWith('.md'))) page(`docs/${file}`)
for (const file of Object.keys(PAGES)) page(file)
for (const file of readdirSync(docs).filter(name => /\.(?:svg|png|gdb)$/.test(name))) copyFileSync(join(docs, file), join(source, file))
for (const name of PROFILE_NAMES) matrixPage(name)
reference()
process.stdout.write(`${relative(root, source)}: ${readdirSync(source, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.md')).length} pages\n`)
