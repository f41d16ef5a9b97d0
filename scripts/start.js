// `npm start`: set up what is missing, then the main job.
import { runNode, setUp } from './setup.js'

setUp()
const args = process.argv.slice(2)
process.exit(runNode(['bin/nidus.js', ...(args.length > 0 ? args : ['paper'])]))
