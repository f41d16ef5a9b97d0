/** The folder for what has been fetched: $NIDUS_CACHE, else nidus/ in $XDG_CACHE_HOME, else ~/.cache/nidus. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'

export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const { NIDUS_CACHE: own, XDG_CACHE_HOME: shared } = environment
  if (own !== undefined && own !== '') return resolve(own)
  // The XDG base directory specification has relative paths ignored.
  return join(shared?.startsWith('/') === true ? shared : join(homedir(), '.cache'), 'nidus')
}
