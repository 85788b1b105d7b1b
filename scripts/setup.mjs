// npm run setup: everything a developer needs, once.
import { build, install, servers } from './lib.mjs'

install()
servers('chromium')
build()
