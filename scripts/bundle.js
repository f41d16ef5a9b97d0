// What is built: dist/cli.js, the command, and dist/index.js, the library, with what both need in chunks/; dist/types, the library's
// declarations. Plain JavaScript for Node 20 and newer.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { node, root } from './setup.js'

const PACKAGE = { cli: join(root, 'src/cli/main.ts'), index: join(root, 'src/index.ts') }

/** Code without declarations, in about half a second. `folder`, which is emptied: default dist. `entries`: source by name of the built file. */
export async function bundle({ folder = join(root, 'dist'), entries = PACKAGE } = {}) {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const build = await rolldown({
    input: entries,
    platform: 'node',
    transform: { target: 'node22.12' },
    external: id => id.startsWith('node:') || Object.keys(dependencies).some(name => id === name || id.startsWith(`${name}/`)),
    plugins: [{ name: 'prebuilt', load: id => id === prebuilt ? interpreters() : undefined }],
    // A warning is a mistake: an unresolved import, a cycle. What is imported in two ways only loads earlier than it might, and that making the
    // interpreter takes most of a build's time is meant so.
    onLog(level, { code, message }) { if (level === 'warn' && code !== 'INEFFECTIVE_DYNAMIC_IMPORT' && code !== 'PLUGIN_TIMINGS') throw new Error(message) },
  })
  try {
    // Not minified: people read the stack traces of bug reports.
    await build.write({ dir: folder, format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name].js', cleanDir: true })
  } finally { await build.close() }
}

const prebuilt = join(root, 'src', 'engine', 'prebuilt.ts')
/** Instead of that module. */
function interpreters() {
  const { status, stdout } = spawnSync(node, ['--no-warnings', join(root, 'scripts', 'prebuilt.ts')], { stdio: ['ignore', 'pipe', 2], encoding: 'utf8', maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error('scripts/prebuilt.ts has failed')
  return stdout
}

/** What the library's users see of it. */
export function declarations(folder = join(root, 'dist', 'types')) {
  const tsc = spawnSync(node, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.types.json', '--outDir', folder], { cwd: root, stdio: ['ignore', 2, 2] })
  if (tsc.status !== 0) process.exit(1)
  // TypeScript rewrites the extensions of imports in code and leaves them in declarations.
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.d.ts')) continue
    const path = join(folder, file), text = readFileSync(path, 'utf8')
    writeFileSync(path, text.replaceAll(/(\bfrom '|\bimport\(["'])(\.[^'"]*)\.ts(?=["'])/g, '$1$2.js'))
  }
}
