/** Files of the package that are not code: found from a source file and from the file that it is built into alike. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

let root = dirname(fileURLToPath(import.meta.url))
while (!existsSync(join(root, 'package.json')) && dirname(root) !== root) root = dirname(root)

/** `path` from the folder of package.json, with slashes. */
export const packageFile = (path: string): string => join(root, path)

export const packageVersion = (): string => (JSON.parse(readFileSync(packageFile('package.json'), 'utf8')) as { readonly version: string }).version
