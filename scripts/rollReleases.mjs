// node scripts/rollReleases.mjs [RELEASE]: this release rolls through a running system, and back, and forward
// again, beside processes of RELEASE (test/fixtures/releases), under load. Prints what happens, and how many
// calls failed. Needs nats-server and redis-server.
import { become, bin, build, install, servers } from './lib.mjs'

install()
servers()
build()
become(bin('node'), ['dist/test/live/rollReleases.js', ...process.argv.slice(2)])
