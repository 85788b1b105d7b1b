/** Every sample runs as a user runs it, and tells its story word for word. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'

/** The repository, from dist/test/samples. */
const root = fileURLToPath(new URL('../../../', import.meta.url))
const runTimeoutMs = 180_000

const samples = readdirSync(join(root, 'samples'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && /^\d\d-/.test(entry.name))
  .map((entry) => entry.name)

interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the sample in a directory where everything that it leaves behind would be found. */
function run(t: ExecutionContext, sample: string, directory: string): Promise<Ended> {
  const child = spawn(process.execPath, [join(root, 'dist/samples', sample, 'main.js')], {
    cwd: directory,
    env: { ...process.env, TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: runTimeoutMs,
    killSignal: 'SIGKILL',
  })
  t.teardown(() => child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
}

test('there are samples', (t) => {
  t.true(samples.length >= 3)
})

for (const sample of samples) {
  test(`sample ${sample} prints what its expected.txt says, ends, and leaves nothing behind`, async (t) => {
    t.timeout(runTimeoutMs + 10_000)
    const directory = mkdtempSync(join(tmpdir(), 'theseus-sample-'))
    t.teardown(() => rmSync(directory, { recursive: true, force: true }))

    const ended = await run(t, sample, directory)

    t.is(ended.signal, null, `it was still running after ${runTimeoutMs} ms and had printed:\n${ended.stdout}`)
    t.is(ended.stderr, '')
    t.is(ended.code, 0)
    t.deepEqual(ended.stdout.split('\n'), readFileSync(join(root, 'samples', sample, 'expected.txt'), 'utf8').split('\n'))
    t.deepEqual(readdirSync(directory), [])
  })

  test(`sample ${sample} has its prose, and a line in samples/README.md`, (t) => {
    t.true(existsSync(join(root, 'samples', sample, 'README.md')))
    t.true(readFileSync(join(root, 'samples/README.md'), 'utf8').includes(`(${sample}/README.md)`))
  })
}
