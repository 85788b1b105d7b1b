import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { until } from '../support/eventually.js'
import { commandLine, usage } from './commandLine.js'
import { Coverage, digestOfFile } from './coverage.js'
import { instrument } from './instrument.js'
import { checkListed, parseListed } from './listed.js'
import { luaChanges } from './lua.js'
import type { Mutant } from './mutant.js'
import { MutationRun } from './mutationRun.js'
import { scoreOf } from './report.js'
import { type Verdict, VerdictStore } from './verdicts.js'

const counted = 'return this.waiting.length'
/** Mutants of it never come to an end, for which a run takes its time. */
const countedByLoop = `let found = 0
    while (found < this.waiting.length) found++
    return found`

const gateOf = (count: string) => `
export class Gate {
  waiting = []
  constructor(max) {
    this.max = max
  }
  enter(name) {
    if (this.waiting.length >= this.max) throw new Error('full')
    this.waiting.push(name)
    this.lastAt = 0
  }
  async drain(work) {
    await Promise.all(this.waiting.map(work))
    this.waiting = []
  }
  first() {
    return this.waiting.find((name) => name !== undefined)
  }
  count() {
    ${count}
  }
  check(error) {
    if (this.max > 0 && error !== undefined) throw error
  }
  forgotten() {
    this.waiting.reverse()
  }
}
let cached
export function limits() {
  cached ??= Object.freeze({ most: 2 })
  return cached
}
const places = { all: 12 }
export function seats() {
  return places
}
`

const gateTest = `
import test from 'ava'
import { Gate, limits, seats } from '../../core/gate.js'

test('a full gate refuses', (t) => {
  const gate = new Gate(1)
  gate.enter('ann')
  t.is(gate.count(), 1)
  t.throws(() => gate.enter('bob'), { message: 'full' })
  t.deepEqual(gate.waiting, ['ann'])
})

test('the first', (t) => {
  const gate = new Gate(limits().most)
  gate.enter('ann')
  gate.enter('bob')
  t.is(gate.first(), 'ann')
})

test('a drain waits for the work', async (t) => {
  const gate = new Gate(9)
  const done = []
  gate.enter('ann')
  await gate.drain(async (name) => {
    await new Promise((resolve) => setImmediate(resolve))
    done.push(name)
  })
  t.deepEqual([done, gate.waiting], [['ann'], []])
})

test('nothing wrong', (t) => {
  t.throws(() => new Gate(1).check(new Error('odd')))
  t.is(new Gate(1).check(undefined), undefined)
})

test('limits', (t) => {
  t.is(limits().most, 2)
})

test('seats', (t) => {
  t.is(seats().all, 12)
})
`

interface Tried {
  readonly store: VerdictStore
  readonly run: MutationRun
  verdict(key: string): Verdict | undefined
}

/**
 * A project of one source and one test. With `loop` the source has a loop, and only mutants that have these
 * words are tried.
 */
async function project(
  t: Pick<ExecutionContext, 'teardown'>,
  jobs = 2,
  loop?: string,
): Promise<(change?: (test: string) => string) => Promise<Tried>> {
  const root = await mkdtemp(join(tmpdir(), 'mutation-'))
  t.teardown(() => rm(root, { recursive: true }))
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  await put('package.json', '{ "type": "module" }')
  for (const path of ['core/gate.ts', 'dist/core/gate.js']) await put(path, gateOf(loop === undefined ? counted : countedByLoop))
  return async (change = (text) => text) => {
    for (const path of ['test/core/gate.test.ts', 'dist/test/core/gate.test.js']) await put(path, change(gateTest))
    const store = new VerdictStore(join(root, 'verdicts.json'), false)
    const options = {
      root,
      cache: join(root, 'cache'),
      sources: ['core/gate.ts'],
      beside: [],
      jobs,
      isThorough: true,
      retriesCut: true,
      budgetMs: 1500,
      patienceMs: 700,
      ...(loop === undefined ? {} : { match: loop, silenceMs: 4_000 }),
    }
    const run = new MutationRun({ ...options, tests: ['test/core/gate.test.ts'], say: () => {} }, store)
    await run.run()
    const file = run.files.get('core/gate.ts')!
    return {
      store,
      run,
      verdict(key) {
        const mutant = file.mutants.find((one) => one.key === key)
        if (mutant === undefined) throw new Error(`no mutant ${key} among\n${file.mutants.map((one) => one.key).join('\n')}`)
        return store.of(file.file, mutant)?.verdict
      },
    }
  }
}

test('a change that a test sees is killed by it, one that no test sees survives, and code that no test runs is told', async (t) => {
  const tried = await (await project(t))()
  const by = (key: string) => {
    const verdict = tried.verdict(key)
    return verdict?.type === 'killed' ? verdict.by : verdict?.type
  }
  t.is(by('Gate.enter | this.waiting.length >= this.max → this.waiting.length > this.max'), 'a full gate refuses')
  t.is(
    by('Gate.drain | await Promise.all(this.waiting.map(work)) → Promise.all(this.waiting.map(work))'),
    'a drain waits for the work',
  )
  t.is(
    by('Gate.first | this.waiting.find((name) => name !== undefined) → this.waiting.findLast((name) => name !== undefined)'),
    'the first',
  )
  t.is(by('Gate.check | this.max > 0 && error !== undefined → this.max > 0'), 'nothing wrong', 'it throws undefined')
  t.is(by('Gate.enter | this.lastAt = 0 → {}'), 'survived')
  t.is(by('Gate.forgotten | this.waiting.reverse() → {}'), 'unreached')
  t.deepEqual(tried.run.failing, [])
})

/** A run with a mutant that never comes to its end, and with a test that starts processes, for two tests. */
let endless: ReturnType<typeof endlessRun> | undefined
const ends: (() => unknown)[] = []
test.after.always(async () => {
  for (const end of ends) await end()
})

async function endlessRun() {
  const directory = await mkdtemp(join(tmpdir(), 'mutation-left-'))
  ends.push(() => rm(directory, { recursive: true }))
  const pids = join(directory, 'pids')
  const starting = `
import { spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
test.before(() => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
  child.unref()
  appendFileSync(${JSON.stringify(pids)}, child.pid + ' ')
})
`
  const run = await project({ teardown: (end) => void ends.push(end) }, 1, 'found++ → {}')
  const tried = await run((text) => text + starting)
  return {
    verdict: tried.verdict('Gate.count | found++ → {}'),
    started: (await readFile(pids, 'utf8')).trim().split(' ').map(Number),
  }
}

test('a change that never comes to its end is killed with its process', async (t) => {
  const { verdict } = await (endless ??= endlessRun())
  t.like(verdict, { type: 'killed', how: 'the process never came back' })
})

test('what a test has started ends with its process, whether that ends or is killed', async (t) => {
  const { started } = await (endless ??= endlessRun())
  t.true(started.length > 1)
  await until(() => started.every(isOver), 'all of them have ended')
})

function isOver(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}

test('a worker whose mutant turns for ever ends with the runner, even if that is killed', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'mutation-orphan-'))
  t.teardown(() => rm(directory, { recursive: true }))
  const pids = join(directory, 'pids')
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(directory, path)), { recursive: true })
    await writeFile(join(directory, path), text)
  }
  await put('package.json', '{ "type": "module" }')
  const turning = `
import { writeFileSync } from 'node:fs'
import test from 'ava'
test('turns', () => {
  writeFileSync(${JSON.stringify(pids)}, String(process.pid))
  for (;;) {}
})
`
  await put('dist/test/core/turns.test.js', turning)
  await put(
    'runner.js',
    `
import { WorkerProcess } from ${JSON.stringify(new URL('./workerProcess.js', import.meta.url).href)}
const worker = new WorkerProcess({ root: ${JSON.stringify(directory)}, instrumented: '', mutants: new Map() })
await worker.ask({ type: 'measure', file: 'test/core/turns.test.ts' }, 600_000, () => undefined)
`,
  )
  const runner = spawn(process.execPath, [join(directory, 'runner.js')], { stdio: 'ignore' })
  t.teardown(() => runner.kill('SIGKILL'))
  const pid = async () => Number(await readFile(pids, 'utf8').catch(() => ''))
  await until(async () => (await pid()) > 0, 'the mutant turns')
  const worker = await pid()
  t.teardown(() => isOver(worker) || process.kill(worker, 'SIGKILL'))
  t.false(isOver(worker))
  runner.kill('SIGKILL')
  await until(() => isOver(worker), 'the worker has ended')
})

test('a test that can run only once in a process kills nothing by that', async (t) => {
  const once = `
let runs = 0
test('only once', async (t) => {
  new Gate(1).enter('ann')
  if (++runs > 1) await new Promise(() => {})
  t.is(runs, 1)
})
`
  const tried = await project(t, 1).then((run) => run((text) => text + once))
  t.is(tried.verdict('Gate.enter | this.lastAt = 0 → {}')?.type, 'survived')
  t.deepEqual([...tried.run.shaky], [])
})

test('what is remembered after its first run is tried in a fresh process', async (t) => {
  // One process after the other: the first has remembered it by then.
  const verdict = (await (await project(t, 1))()).verdict('limits | 2 → 3')
  t.is(verdict?.type, 'killed')
})

test('a constant that only code without mutants uses is tried with all tests of its own test file', async (t) => {
  const { verdict } = await (await project(t))()
  t.like(verdict('places.all | 12 → 0'), { type: 'killed', by: 'seats' })
})

test('a kill stands until its test changes, and a survivor meets only tests that are new', async (t) => {
  const again = await project(t)
  await again()
  const survivor = 'Gate.enter | this.lastAt = 0 → {}'
  const same = await again()
  t.is(same.verdict(survivor)?.type, 'survived')
  const changed = await again((text) =>
    text.replace("t.is(gate.first(), 'ann')", "t.is(gate.first(), 'ann')\n  t.is(gate.lastAt, 0)"),
  )
  t.like(changed.verdict(survivor), { type: 'killed', by: 'the first' })
})

test('a kill by a test file that has gone, or has another name, is tried anew', async (t) => {
  const run = await project(t)
  const { store, run: first } = await run()
  const key = 'Gate.enter | this.waiting.length >= this.max → this.waiting.length > this.max'
  const mutant = first.files.get('core/gate.ts')!.mutants.find((each) => each.key === key)!
  const gone = 'test/core/gone.test.ts'
  store.put('core/gate.ts', mutant, { type: 'killed', by: 'gone', file: gone, how: '' }, { [gone]: 'as it was' })
  store.save()
  t.like((await run()).verdict(key), { type: 'killed', by: 'a full gate refuses' })
})

test('a test file has changed when a contract has that it has tests of', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'mutation-'))
  t.teardown(() => rm(root, { recursive: true }))
  await writeFile(join(root, 'gate.test.ts'), "import { gateContract } from './gateContract.js'\ngateContract('memory')\n")
  const digest = async (contract: string) => {
    await writeFile(join(root, 'gateContract.ts'), contract)
    return digestOfFile(root, 'gate.test.ts')
  }
  const before = await digest('one test')
  t.not(await digest('two tests'), before)
  t.is(await digest('one test'), before)
})

test('a mutant that is newer than the measuring of a test file is tried with the tests of it that come to its function', (t) => {
  const mutant = (scope: string, change: string, id: number): Mutant => ({
    ...{ id, key: `${scope} | ${change}`, scope, line: 1, isStatic: false, digest: 'd' },
  })
  const mutants = [mutant('f', 'a', 0), mutant('f', 'b', 1), mutant('g', 'c', 2)]
  const source = { file: 'core/x.ts', code: '', mutants }
  const bits = (byte: number) => ({ 'core/x.ts': Buffer.from([byte]).toString('base64') })
  const measured = (numbering: string, tests: readonly (readonly [string, number])[]) => ({
    ...{ digest: 'd', sources: { 'core/x.ts': numbering }, atLoad: {}, failing: [] },
    tests: tests.map(([title, byte]) => ({ title, ms: 1, reached: byte === 0 ? {} : bits(byte) })),
  })
  const files = new Map([
    [
      'old.test.ts',
      measured('old', [
        ['comes to f', 1],
        ['comes to nothing', 0],
      ]),
    ],
    ['new.test.ts', measured('new', [['comes to b', 2]])],
  ])
  const numberings = { old: ['f | a'], new: mutants.map(({ key }) => key) }
  const coverage = new Coverage(source, files, numberings)
  t.deepEqual(
    mutants.map((each) => coverage.testsOf(each).map(({ title }) => title)),
    [['comes to f'], ['comes to f', 'comes to b'], ['comes to f']],
  )
})

test('a listed mutant that is gone or that a test sees is told of, and one that survives counts as listed', async (t) => {
  const { run, store } = await (await project(t))()
  const file = run.files.get('core/gate.ts')!
  const listed = parseListed(`# why
core/gate.ts
  Gate.enter | this.lastAt = 0 → {} — for people only
  Gate.enter | this.waiting.length >= this.max → this.waiting.length > this.max — not so
  Gate.leave | a → b — gone
`)
  t.deepEqual(
    checkListed(file, store, listed).map((line) => line.split(':')[0]),
    ['listed as harmless, and "a full gate refuses" sees it', 'listed as harmless, and not there any more'],
  )
  t.is(scoreOf(file, store, listed).listed, 1)
})

/** The words of the mutants in this code. */
const changesOf = (code: string) => instrument('x.ts', code).mutants.map(({ key }) => key.replace(/^.*? \| /, ''))

test('a condition loses each half, and a chain each of its question marks', (t) => {
  t.deepEqual(changesOf('function f(a, b) { if (a && b) g() }'), ['a && b → a', 'a && b → b', 'a && b → false', 'g() → {}'])
  t.deepEqual(changesOf('const f = (a) => a?.b.c?.()'), ['a?.b.c?.() → a?.b.c()', 'a?.b.c?.() → a.b.c?.()'])
})

test('what can’t be changed is left alone: targets, keys, patterns, messages, assertions', (t) => {
  t.deepEqual(changesOf("const { a = b } = c; export { a }; export function f() { invariant(a === b, 'C1') }"), [])
  t.deepEqual(changesOf('function f(x) { delete x.y }'), ['delete x.y → {}'])
})

test('a Lua script loses commands and has its bounds moved, and its comments stay', (t) => {
  const lua = "`\n-- if a < b then\nif a < b then return 0 end\nredis.call('SET', k, v)\nreturn 1`"
  t.deepEqual(
    luaChanges(lua).map(({ replacement }) => replacement),
    [
      'if true then return 0 end',
      'if false then return 0 end',
      'if a <= b then return 0 end',
      'if a < b then return 1 end',
      '',
      'return 0`',
    ],
  )
})

test('a wrong flag of the command is told with the flags that there are, and --help is none', (t) => {
  const wrong = commandLine(['core', '--jbos', '4'])
  t.regex(String(wrong), /^Unknown option '--jbos'.*\n\nnpm run mutate \[-- <file or folder>…\] \[options\]\n/s)
  const help = commandLine(['--help'])
  t.true(typeof help !== 'string' && help.values.help)
  if (typeof help === 'string') return
  for (const flag of Object.keys(help.values)) t.regex(usage, new RegExp(`^  --${flag}\\b`, 'm'))
})
