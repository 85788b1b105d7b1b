// npm run demo [-- --servers]: does all its own set-up, then shows a live upgrade.
import { become, bin, build, install, servers } from './lib.mjs'

const args = process.argv.slice(2)
install()
if (args.includes('--servers')) servers()
build()
become(bin('node'), ['dist/samples/demo/main.js', ...args])
