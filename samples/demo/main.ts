/**
 * `npm run demo`: a live upgrade from version 0 to 2 under load. `--servers`: with real
 * processes over NATS and Redis.
 */
import { showDemo } from 'theseus-actors/demo'
import { withServers } from './servers.js'

const args = process.argv.slice(2)
const unknown = args.filter((arg) => arg !== '--servers')
if (unknown.length > 0) {
  process.stderr.write(`unknown option ${unknown[0]}: use "npm run demo" or "npm run demo -- --servers"\n`)
  process.exit(2)
}
const code = await (args.includes('--servers') ? withServers() : showDemo())
process.exit(code)
