// npm test [-- files…]: installs, gets the servers, builds, lints, and runs every test. Ends with "N passed, N failed".
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { bin, build, environment, install, root, run, say, servers } from './lib.mjs'

const only = process.argv.slice(2)
install()
servers('chromium')
build()
say('linting')
run(bin('biome'), ['check', '--error-on-warnings', '.'], { quiet: true, what: 'the lint' })

let passed = 0
let failed = 0
/** What failed, and what was said of it: said again at the end, where it is looked for. */
const failures = []
if (only.length > 0) await ava(only)
else {
  await ava(['dist/test/**/*.test.js', '!dist/test/live/**', '!dist/test/rehearsal/world*'])
  // Whole systems, of several processes: one after the other, so that they have the machine to themselves.
  await ava(['dist/test/live/*.test.js', '--concurrency', '1'])
  // Thousands of seeds, on virtual time.
  await ava(['dist/test/rehearsal/world*.test.js', '--concurrency', '2'])
}
if (failures.length > 0) process.stdout.write(`\nWhat failed:\n${failures.join('')}`)
process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)

/** One run of ava. Its TAP is made readable; a run that ends badly without a failing test counts as one failure. */
async function ava(args) {
  const child = spawn(bin('node'), ['node_modules/ava/entrypoints/cli.js', '--tap', ...args], {
    cwd: root,
    env: { ...environment, FORCE_COLOR: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let failedHere = 0
  const others = []
  let ofFailure = false
  const sayOf = (text) => {
    if (ofFailure) failures.push(text)
    process.stdout.write(text)
  }
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^ok \d+ - .*# SKIP/.test(line)) continue
    if (line.startsWith('ok ')) {
      passed++
      ofFailure = false
      process.stdout.write(`  ✔ ${line.replace(/^ok \d+ - /, '')}\n`)
    } else if (line.startsWith('not ok ')) {
      failedHere++
      ofFailure = true
      sayOf(`  ✖ ${line.replace(/^not ok \d+ - /, '')}\n`)
    } else if (!/^TAP|^1\.\.|^$|hook|^ {2,}|^# (tests|pass|fail|skip)/.test(line)) {
      // What a test says of itself is read where it ran; the rest says why ava ended.
      if (line.startsWith('# ')) sayOf(`    ${line}\n`)
      else others.push(line)
    } else if (/^ {2,}/.test(line) || line.startsWith('# ')) {
      if (!/^# (tests|pass|fail|skip)|^ {2}(---|\.\.\.)$|^# /.test(line)) sayOf(`    ${line}\n`)
    }
  }
  const code = child.exitCode ?? (await new Promise((resolve) => child.on('exit', resolve)))
  if (code !== 0 && failedHere === 0) {
    failedHere = 1
    ofFailure = true
    // A time-out, an exception outside any test, a file without tests: ava says it beside the tests.
    sayOf(`  ✖ ava ended with ${code}\n${others.slice(-20).join('\n')}\n`)
  }
  failed += failedHere
}
