// `npm run build`: sets up what is missing, then makes dist/: the command, the library and its declarations. `-- --no-types`: without
// declarations, in under a second.
import { setUp } from './setup.js'

setUp()
// From the packages that have just been installed.
const { bundle, declarations } = await import('./bundle.js')
await bundle()
if (!process.argv.includes('--no-types')) declarations()
