// npm run sample 01: builds, then runs the sample whose folder begins so.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { become, bin, build, fail, install, root } from './lib.mjs'

const [wanted, ...args] = process.argv.slice(2)
const samples = readdirSync(join(root, 'samples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && /^\d\d-/.test(entry.name))
  .map((entry) => entry.name)
const found = samples.find((name) => wanted !== undefined && name.startsWith(wanted))
if (found === undefined) fail(`which sample? One of:\n  ${samples.join('\n  ')}\nfor example: npm run sample 01`)
install()
build()
become(bin('node'), [`dist/samples/${found}/main.js`, ...args])
