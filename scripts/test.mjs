// npm test [-- files…]: installs, gets the servers, builds, lints, and runs every test. Ends with "N passed,
// N failed".
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { bin, build, environment, install, root, run, say, servers } from './lib.mjs'

const only = process.argv.slice(2)
install()
servers('chromium')
build()
say('linting')
run(bin('biome'), ['check', '--error-on-warnings', '.'], { quiet: true, what: 'the lint' })

// Compiled code is kept between the hundreds of processes of a run. It is used for the same source alone.
const compiled = join(root, 'node_modules', '.cache', 'compiled')
environment.NODE_COMPILE_CACHE = compiled
// A third of a test file's time, and more of most, are its imports.
quickImports()

let passed = 0
let failed = 0
/** Failures with their output: printed again at the end, where readers look for them. */
const failures = []
if (only.length > 0) await ava(only)
else {
  rmSync(compiled, { recursive: true, force: true })
  const seeded = ['dist/test/rehearsal/world*.test.js', 'dist/test/rehearsal/planted.test.js', 'dist/test/live/fuzz.test.js']
  await Promise.all([
    ava(['dist/test/**/*.test.js', '!dist/test/live/**', '!dist/test/rehearsal/world*', '!dist/test/rehearsal/planted*']),
    // Whole systems, of several processes: one after the other.
    ava(['dist/test/live/*.test.js', '!dist/test/live/fuzz.test.js', '--concurrency', '1']),
    // Thousands of seeds, which only compute: they take the processor when the others wait for something.
    ava([...seeded, '--concurrency', '2'], { yields: true }),
  ])
}
if (failures.length > 0) process.stdout.write(`\nWhat failed:\n${failures.join('')}`)
process.stdout.write(`\n${passed} passed, ${failed} failed\n`)
process.exit(failed === 0 && passed > 0 ? 0 : 1)

/**
 * One run of ava. Its TAP is made readable; a run that ends badly without a failing test counts as one
 * failure.
 */
async function ava(args, { yields = false } = {}) {
  const node = [bin('node'), 'node_modules/ava/entrypoints/cli.js', '--tap', ...args]
  const [command, ...rest] = yields && process.platform !== 'win32' ? ['nice', '-n', '10', ...node] : node
  const child = spawn(command, rest, {
    cwd: root,
    env: { ...environment, FORCE_COLOR: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let failedHere = 0
  const others = []
  /** A test with what is said of it. It is said in one piece: other runs speak as well. */
  let test = ''
  let isFailure = false
  const next = (line, fails) => {
    process.stdout.write(test)
    if (isFailure) failures.push(test)
    test = line
    isFailure = fails
  }
  for await (const line of createInterface({ input: child.stdout })) {
    if (/^ok \d+ - .*# SKIP/.test(line)) continue
    if (line.startsWith('ok ')) {
      passed++
      next(`  ✔ ${line.replace(/^ok \d+ - /, '')}\n`, false)
    } else if (line.startsWith('not ok ')) {
      failedHere++
      next(`  ✖ ${line.replace(/^not ok \d+ - /, '')}\n`, true)
    } else if (!/^TAP|^1\.\.|^$|hook|^ {2,}|^# (tests|pass|fail|skip)/.test(line)) {
      // A test's own output is read where it ran; the rest says why ava ended.
      if (line.startsWith('# ')) test += `    ${line}\n`
      else others.push(line)
    } else if (/^ {2,}/.test(line) || line.startsWith('# ')) {
      if (!/^# (tests|pass|fail|skip)|^ {2}(---|\.\.\.)$|^# /.test(line)) test += `    ${line}\n`
    }
  }
  const code = child.exitCode ?? (await new Promise((resolve) => child.on('exit', resolve)))
  if (code !== 0 && failedHere === 0) {
    failedHere = 1
    // A time-out, an exception outside any test, a file without tests: ava says it beside the tests.
    next(`  ✖ ava ended with ${code}\n${others.slice(-20).join('\n')}\n`, true)
  }
  next('', false)
  failed += failedHere
}

/** See test/support/quickImports.ts. */
function quickImports() {
  const concordance = createRequire(join(root, 'node_modules', 'ava', 'package.json')).resolve('concordance')
  const asOne = join(root, 'node_modules', '.cache', 'concordance.cjs')
  const options = ['--bundle', '--platform=node', '--format=cjs', '--log-level=error', `--outfile=${asOne}`]
  run(bin('esbuild'), [concordance, ...options], { quiet: true, what: 'the bundle of concordance' })
  const quick = pathToFileURL(join(root, 'dist', 'test', 'support', 'quickImports.js')).href
  environment.NODE_OPTIONS = `${environment.NODE_OPTIONS ?? ''} --import=${quick}`.trim()
}
