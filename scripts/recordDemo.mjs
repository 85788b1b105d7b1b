// npm run record: runs the demo, and makes docs/demo.svg of what it showed. On an idle machine the pauses are
// as short as they can be.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bin, build, environment, fail, install, root, say } from './lib.mjs'
import { framesOf, terminalSvg } from './terminalSvg.mjs'

install()
build()
say('recording the demo')
// It redraws in place, as on a terminal, and in colours.
const asTerminal = 'data:text/javascript,process.stdout.isTTY=true'
const demo = spawn(bin('node'), ['--import', asTerminal, 'dist/samples/demo/main.js'], {
  cwd: root,
  env: { ...environment, FORCE_COLOR: '1' },
  stdio: ['ignore', 'pipe', 'inherit'],
})
const wraps = '\u001b[?7h'
const written = [{ atMs: 0, text: '\u001b[2m$\u001b[22m npm run demo\n\n' }]
const beganMs = performance.now()
let rest = ''
demo.stdout.setEncoding('utf8').on('data', (data) => {
  const atMs = performance.now() - beganMs
  // A redraw ends where lines wrap again; anything else is a line that stays.
  const parts = (rest + data).split(wraps)
  rest = parts.pop()
  for (const text of parts) written.push({ atMs, text: `${text}${wraps}` })
})
const [code] = await once(demo, 'close')
if (code !== 0) fail('the demo failed')
if (rest !== '') written.push({ atMs: performance.now() - beganMs, text: rest })
const svg = terminalSvg(framesOf(written), {
  label: 'npm run demo: five nodes under load go from version 0 to 2, one after the other, and no call fails',
  columns: 116,
})
writeFileSync(join(root, 'docs', 'demo.svg'), svg)
say(`docs/demo.svg: ${(Buffer.byteLength(svg) / 1024).toFixed(0)} KB`)
