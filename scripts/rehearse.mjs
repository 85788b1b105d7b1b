// npm run rehearse [-- options]: installs and builds what is missing, then plays plans in the deterministic
// world. rehearsal/rehearse.ts names the options.
import { become, bin, build, install } from './lib.mjs'

install()
build()
become(bin('node'), ['dist/rehearsal/rehearse.js', ...process.argv.slice(2)])
