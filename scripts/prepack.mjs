// npm pack: the package holds what is built, and its bill of materials.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, install, root } from './lib.mjs'
import { sbomText } from './sbom.mjs'

install()
build()
writeFileSync(join(root, 'dist', 'sbom.cdx.json'), sbomText())
