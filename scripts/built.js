// A checkout runs one built file instead of some 400 sources: it loads and runs in half of the time. The file stands in .cache/, in a folder
// that is named by the content of everything it was made from, so that no other code than that of the tree ever runs.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const cache = join(root, '.cache')
const PREFIX = 'built-'
/** Builds that are kept: a process of an older one may still be running. */
const KEPT = 6

/** Data is built in as code is: the cost model is JSON. */
const SOURCE = /\.(ts|js|json)$/

/** A name for the content of `entries`, of all sources, and of what builds them. */
function contentOf(entries) {
  const hash = createHash('sha256')
  const add = (name, bytes) => hash.update(`${name} ${bytes.length}\n`).update(bytes)
  for (const folder of new Set(['src', ...entries.map(entry => entry.split('/')[0])])) {
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort()) {
      if (SOURCE.test(file) && !file.endsWith('.test.ts')) add(`${folder}/${file}`, readFileSync(join(root, folder, file)))
    }
  }
  for (const file of ['package.json', 'package-lock.json', 'scripts/bundle.js', 'scripts/prebuilt.ts']) add(file, readFileSync(join(root, file)))
  return hash.update(entries.join()).digest('hex').slice(0, 32)
}

/**
 * The files built from `entries` (paths from the root, with different names), made now if need be; undefined where they cannot be built, and the
 * sources have to do.
 */
export async function built(entries) {
  try {
    const names = entries.map(entry => basename(entry, '.ts'))
    const content = contentOf(entries), folder = join(cache, PREFIX + content), files = names.map(name => join(folder, `${name}.js`))
    if (existsSync(folder)) return files
    const { bundle } = await import('./bundle.js')
    mkdirSync(cache, { recursive: true })
    const made = `${folder}.${process.pid}`
    try {
      await bundle({ folder: made, entries: Object.fromEntries(names.map((name, i) => [name, join(root, entries[i])])) })
      // Somebody may have edited a source meanwhile.
      if (contentOf(entries) !== content) return undefined
      // Another process may have been faster.
      if (!existsSync(folder)) renameSync(made, folder)
    } finally { rmSync(made, { recursive: true, force: true }) }
    forgetOld()
    return files
  } catch (error) {
    // A source with a mistake, of which Node says more; a checkout that cannot be written. Without rolldown (no development packages) sources are all there is.
    if (error.code !== 'ERR_MODULE_NOT_FOUND') process.stderr.write(`nidus: the sources run as they are, at half the speed, since building them failed: ${error.message}\n`)
    return undefined
  }
}

function forgetOld() {
  try {
    // A dot: another process is at it.
    const folders = readdirSync(cache).filter(name => name.startsWith(PREFIX) && !name.includes('.')).map(name => join(cache, name))
    const byAge = folders.map(folder => ({ folder, at: statSync(folder).mtimeMs })).sort((a, b) => b.at - a.at)
    for (const { folder } of byAge.slice(KEPT)) rmSync(folder, { recursive: true, force: true })
  } catch { /* Another process forgets them too. */ }
}
