/**
 * A process that runs tests on instrumented code. It is told a mutant and the tests that reach it, and
 * answers which of them saw it. It is ended from outside when it does not answer.
 */
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Execution, loadTests, type TestFile } from './avaShim.js'
import type { Answer, Order, TestOutcome } from './messages.js'
import { switchboard } from './mutant.js'

const [projectRoot, instrumented, ...files] = process.argv.slice(2) as [string, string, ...string[]]
const shim = new URL('./avaShim.js', import.meta.url).href
/** After a test, what it left behind gets so long to end. */
const tearDownMs = 3000
/**
 * After a test that was given up its process is ended: nothing needs to be tidied up but the servers that it
 * started.
 */
const givenUpMs = 300

/** Which mutants of a file were reached since it was last asked. */
const reached = new Map<string, Uint8Array>()
let active: { readonly file: string; readonly id: number } | undefined

const mutants = new Map(
  files.map((entry) => [entry.slice(0, entry.lastIndexOf(':')), Number(entry.slice(entry.lastIndexOf(':') + 1))]),
)

Object.assign(globalThis, {
  [switchboard](file: string) {
    const hits = new Uint8Array(mutants.get(file) ?? 0)
    reached.set(file, hits)
    return (id: number) => {
      hits[id] = 1
      return active !== undefined && active.id === id && active.file === file
    }
  },
})

registerHooks({
  resolve: (specifier, context, next) => (specifier === 'ava' ? { url: shim, shortCircuit: true } : next(specifier, context)),
  load(url, context, next) {
    const file = url.startsWith('file:') ? relative(join(projectRoot, 'dist'), fileURLToPath(url)).replace(/\.js$/, '.ts') : ''
    if (!mutants.has(file)) return next(url, context)
    return { format: 'module', source: readFileSync(join(instrumented, `${file}.js`), 'utf8'), shortCircuit: true }
  },
})

/** An error outside of any call is the running test's failure, as ava has it. */
let blame: (error: unknown) => void = () => {}
process.on('uncaughtException', (error) => blame(error))
process.on('unhandledRejection', (error) => blame(error))

const loaded = new Map<string, Promise<TestFile>>()

function load(file: string): Promise<TestFile> {
  let found = loaded.get(file)
  if (found === undefined) {
    found = loadTests(pathToFileURL(join(projectRoot, 'dist', file.replace(/\.ts$/, '.js'))).href)
    loaded.set(file, found)
  }
  return found
}

async function begin(file: TestFile): Promise<void> {
  file.begun ??= (async () => {
    for (const hook of file.before) await run(hook, 'before')
  })()
  await file.begun

  async function run(hook: TestFile['before'][number], title: string): Promise<void> {
    const t = new Execution(title, {})
    t.context = file.context
    await hook(t)
    file.context = t.context as Record<string, unknown>
  }
}

async function runTest(path: string, title: string, limitMs: number): Promise<TestOutcome> {
  const file = await load(path)
  const test = file.tests.find((one) => one.title === title)
  if (test === undefined) return { ms: 0, end: 'gone' }
  await begin(file)
  const started = performance.now()
  const t = new Execution(title, file.context)
  const blamed = new Promise<void>((resolve) => {
    blame = (error) => {
      t.failed(error)
      resolve()
    }
  })
  const body = (async () => {
    try {
      for (const hook of file.beforeEach) await hook(t)
      await test.body(t, ...test.args)
    } catch (error) {
      t.failed(error)
    }
    await t.end()
  })()
  let isLate = await within(Promise.race([body, blamed]), limitMs)
  const after = (async () => {
    for (const hook of file.afterEach) await hook(t)
    await t.tearDown()
  })().catch((error) => {
    t.failed(error)
  })
  const ms = performance.now() - started
  const afterMs = isLate ? givenUpMs : t.failure !== undefined ? tearDownMs : Math.max(tearDownMs, limitMs)
  if (await within(after, afterMs)) isLate = true
  // An error that was thrown beside the test gets the chance to be heard of.
  await new Promise((resolve) => setImmediate(resolve))
  if (isLate) return { ms, end: 'late' }
  return t.failure === undefined ? { ms, end: 'passed' } : { ms, end: 'failed', reason: text(t.failure) }
}

/** Whether it took longer. */
function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(true), ms)
    void work.then(() => {
      clearTimeout(timer)
      resolve(false)
    })
  })
}

function text(error: unknown): string {
  try {
    return String((error as Error)?.message ?? error).slice(0, 300)
  } catch {
    return 'an error without text'
  }
}

function takeReached(): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [file, hits] of reached) {
    if (!hits.includes(1)) continue
    found[file] = packed(hits)
    hits.fill(0)
  }
  return found
}

function packed(hits: Uint8Array): string {
  const bits = Buffer.alloc(Math.ceil(hits.length / 8))
  for (const [id, hit] of hits.entries()) if (hit === 1) bits[id >> 3]! |= 1 << (id & 7)
  return bits.toString('base64')
}

/** The tests of a file, each with what it reaches; first what loading the file does. */
async function measure(path: string): Promise<void> {
  const file = await load(path)
  tell({ type: 'loaded', reached: takeReached() })
  for (const { title } of file.tests) {
    tell({ type: 'begins', title })
    const outcome = await runTest(path, title, 120_000)
    tell({ type: 'measured', title, outcome, reached: takeReached() })
  }
  await finish()
  tell({ type: 'done' })
}

async function finish(): Promise<void> {
  for (const file of await Promise.all(loaded.values())) {
    if (file.begun === undefined) continue
    for (const hook of file.after) {
      const t = new Execution('after', {})
      t.context = file.context
      await within(
        Promise.resolve(hook(t)).catch(() => {}),
        tearDownMs,
      )
    }
    file.begun = undefined
  }
}

/**
 * The tests one after the other, until one sees the mutant. That test must pass without it, or
 * nothing is known.
 */
async function tryMutant({ mutant, tests }: Extract<Order, { type: 'try' }>): Promise<void> {
  active = mutant
  const hits = () => reached.get(mutant.file)?.[mutant.id] === 1
  reached.get(mutant.file)?.fill(0)
  let reaching: (typeof tests)[number] | undefined
  for (const test of tests) {
    tell({ type: 'begins', title: test.title })
    active = mutant
    const outcome = await runTest(test.file, test.title, test.limitMs)
    if (outcome.end === 'passed' || outcome.end === 'gone') {
      if (hits()) reaching ??= test
      continue
    }
    active = undefined
    if (outcome.end === 'late') return tell({ type: 'killed', test, outcome, isConfirmed: false })
    tell({ type: 'begins', title: test.title })
    const without = await runTest(test.file, test.title, test.limitMs)
    return tell({ type: 'killed', test, outcome, isConfirmed: without.end === 'passed' })
  }
  tell({ type: 'survived', isReached: reaching !== undefined, isOnce: reaching !== undefined && (await isOnce(reaching)) })
  active = undefined

  /** Whether its code does not run again when its test does: what it made is remembered. */
  async function isOnce(test: (typeof tests)[number]): Promise<boolean> {
    reached.get(mutant.file)?.fill(0)
    await runTest(test.file, test.title, test.limitMs)
    return !hits()
  }
}

function tell(answer: Answer): void {
  process.send?.(answer)
}

process.on('message', (order: Order) => {
  void carryOut(order).catch((error) => {
    process.stderr.write(`${error?.stack ?? error}\n`)
    process.exit(1)
  })
})

async function carryOut(order: Order): Promise<void> {
  switch (order.type) {
    case 'measure':
      return measure(order.file)
    case 'try':
      return tryMutant(order)
    case 'check': {
      const outcome = await runTest(order.test.file, order.test.title, order.test.limitMs)
      return tell({ type: 'checked', outcome })
    }
    case 'end':
      await finish()
      process.exit(0)
  }
}

// The process that started it is gone.
process.on('disconnect', () => process.exit(0))

tell({ type: 'ready' })
