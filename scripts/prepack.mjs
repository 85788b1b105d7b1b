// npm pack: the package holds what is built.
import { build, install } from './lib.mjs'

install()
build()
