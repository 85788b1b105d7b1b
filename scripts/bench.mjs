// npm run bench [-- options]: installs and builds what is missing, then measures calls on the pinned Node.js. --help names the options.
import { become, bin, build, install, servers } from './lib.mjs'

install()
servers()
build()
become(bin('node'), ['dist/bench/calls.js', ...process.argv.slice(2)])
