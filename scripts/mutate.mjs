// npm run mutate [-- files…]: changes the code in small ways, one at a time, and says which changes no test
// sees. See test/README.md.
import { become, bin, build, install } from './lib.mjs'

install()
build()
become(bin('node'), ['dist/test/mutation/main.js', ...process.argv.slice(2)])
