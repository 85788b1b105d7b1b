/**
 * One run: instrument, measure who reaches what, try the mutants whose fate is not known. A kill counts when
 * the test that saw the mutant passes without it right after: a machine under load, or what an earlier mutant
 * left behind, kills nothing.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { Coverage, digestOfFile, type MeasuredFile, measureFile, numberingOf, type TestRef } from './coverage.js'
import { instrument } from './instrument.js'
import type { Answer, TestToRun } from './messages.js'
import type { InstrumentedFile, Mutant } from './mutant.js'
import { testsFor } from './rooms.js'
import type { Verdict, VerdictStore } from './verdicts.js'
import { WorkerGone, WorkerProcess, type WorkerSetup } from './workerProcess.js'

export interface RunOptions {
  readonly root: string
  /** Folder for what is needed only now. */
  readonly cache: string
  readonly sources: readonly string[]
  /** Instrumented as well, so that what is measured serves later runs for them. */
  readonly beside: readonly string[]
  readonly jobs: number
  /** All tests that reach a mutant, however long they take. */
  readonly isThorough: boolean
  /** Mutants of which not all tests were tried are tried anew. */
  readonly retriesCut: boolean
  /** A test may take so much longer than it takes at most, before it counts as never ending. */
  readonly patienceMs: number
  /** Tests of a mutant that take longer together than this are cut. */
  readonly budgetMs: number
  /** Beside a test, a process may be silent for so long: it loads code and tidies up. By default 6 s. */
  readonly silenceMs?: number
  /** Only mutants whose words have this. */
  readonly match?: string
  /** Instead of the tests of the sources' rooms. */
  readonly tests?: readonly string[]
  readonly say: (line: string) => void
}

/** Tests of a mutant are cut (`budgetMs`), but for these many, and those of the source's own test file. */
const testsMin = 6
/** Tests that take longer are left to a thorough run, unless no others reach the mutant. */
const slowTestMs = 2500
const ordersPerWorker = 300
/**
 * A test may take so many times longer than it took when it was measured, and so many more where it is asked
 * for a second word.
 */
const slowdownMax = 4
const secondWordMax = 4
const silenceMsDefault = 6000
const saveEveryMs = 20_000

const keyOf = (test: { readonly file: string; readonly title: string }) => `${test.file} › ${test.title}`

interface Job {
  readonly source: Coverage
  readonly mutant: Mutant
  readonly tests: readonly TestRef[]
  readonly isCut: boolean
  /** Tests that were tried before, and are as they were. */
  readonly before: Readonly<Record<string, string>>
  readonly needsFresh: boolean
}

export class MutationRun {
  readonly #instrumented: string
  readonly #files = new Map<string, InstrumentedFile>()
  readonly #digests = new Map<string, string>()
  /** Tests that failed without a mutant: they tell nothing. */
  readonly #shaky = new Set<string>()
  /** How many mutants of a source a test saw. */
  readonly #kills = new Map<string, Map<string, number>>()
  #savedMs = 0
  failing: string[] = []

  constructor(
    private readonly options: RunOptions,
    private readonly store: VerdictStore,
  ) {
    mkdirSync(options.cache, { recursive: true })
    this.#instrumented = mkdtempSync(join(options.cache, 'code-'))
    for (const file of new Set([...options.sources, ...options.beside])) this.#instrument(file)
  }

  get files(): ReadonlyMap<string, InstrumentedFile> {
    return this.#files
  }

  get shaky(): ReadonlySet<string> {
    return this.#shaky
  }

  async run(): Promise<void> {
    try {
      const measured = await this.#measure()
      const jobs = this.options.sources.flatMap((source) => this.#jobsOf(source, measured))
      // Those that need a process of their own each come last.
      await this.#tryAll(jobs.toSorted((a, b) => Number(a.needsFresh) - Number(b.needsFresh)))
    } finally {
      this.store.save()
      rmSync(this.#instrumented, { recursive: true, force: true })
    }
  }

  #instrument(file: string): void {
    const path = join(this.options.root, 'dist', file.replace(/\.ts$/, '.js'))
    const map = existsSync(`${path}.map`) ? JSON.parse(readFileSync(`${path}.map`, 'utf8')) : undefined
    const found = instrument(file, readFileSync(path, 'utf8'), map)
    const target = join(this.#instrumented, `${file}.js`)
    mkdirSync(dirname(target), { recursive: true })
    // Its own map would tell wrong places now.
    writeFileSync(target, found.code.replace(/^\/\/# sourceMappingURL=.*$/m, ''))
    this.#files.set(file, found)
    this.store.numberings[numberingOf(found)] = found.mutants.map(({ key }) => key)
  }

  get #silenceMs(): number {
    return this.options.silenceMs ?? silenceMsDefault
  }

  get #setup(): WorkerSetup {
    return {
      root: this.options.root,
      instrumented: this.#instrumented,
      mutants: new Map([...this.#files].map(([file, { mutants }]) => [file, mutants.length])),
    }
  }

  #testsFor(source: string): readonly string[] {
    return this.options.tests ?? testsFor(this.options.root, source)
  }

  #digest(file: string): string {
    let found = this.#digests.get(file)
    // A test file that has gone, or has another name, is no more what it was.
    if (found === undefined) found = existsSync(join(this.options.root, file)) ? digestOfFile(this.options.root, file) : 'gone'
    this.#digests.set(file, found)
    return found
  }

  /** Measures the test files that are new or changed, or have not been measured with all these sources. */
  async #measure(): Promise<ReadonlyMap<string, MeasuredFile>> {
    const wanted = new Map<string, string[]>()
    for (const source of this.options.sources) {
      for (const test of this.#testsFor(source)) wanted.set(test, [...(wanted.get(test) ?? []), source])
    }
    const isKnown = (test: string, sources: readonly string[]) => {
      const known = this.store.coverage[test]
      return known?.digest === this.#digest(test) && sources.every((source) => known.sources[source] !== undefined)
    }
    const missing = [...wanted].filter(([test, sources]) => !isKnown(test, sources)).map(([test]) => test)
    if (missing.length > 0) this.options.say(`measuring ${missing.length} test files`)
    await inParallel(missing, this.options.jobs, async (test) => {
      this.store.coverage[test] = await measureFile(this.options.root, test, this.#setup, [...this.#files.values()])
      // A run that is broken off keeps what it has.
      this.store.save()
    })
    this.store.save()
    const measured = new Map([...wanted.keys()].map((test) => [test, this.store.coverage[test]!]))
    this.failing = [...measured].flatMap(([test, { failing }]) => failing.map((title) => `${test} › ${title}`))
    return measured
  }

  #jobsOf(file: string, measured: ReadonlyMap<string, MeasuredFile>): readonly Job[] {
    const instrumented = this.#files.get(file)!
    const tests = new Set(this.#testsFor(file))
    const own = new Map([...measured].filter(([test]) => tests.has(test)))
    const coverage = new Coverage(instrumented, own, this.store.numberings)
    const matching = instrumented.mutants.filter(({ key }) => key.includes(this.options.match ?? ''))
    return matching.flatMap((mutant) => {
      const known = this.store.of(file, mutant)
      if (known?.verdict.type === 'killed' && known.tests[known.verdict.file] === this.#digest(known.verdict.file)) return []
      const isWhole =
        known !== undefined && !(known.verdict.type === 'survived' && known.verdict.isCut && this.options.retriesCut)
      const before = isWhole
        ? Object.fromEntries(
            Object.entries(known.tests).filter(([test, digest]) => tests.has(test) && digest === this.#digest(test)),
          )
        : {}
      const reaching = coverage.testsOf(mutant)
      const untried = reaching.filter((test) => before[test.file] === undefined)
      if (untried.length === 0 && known !== undefined && known.verdict.type !== 'killed') return []
      if (untried.length === 0) {
        this.store.put(file, mutant, { type: 'unreached' }, {})
        return []
      }
      return [{ source: coverage, mutant, tests: untried, isCut: false, before, needsFresh: coverage.isAtLoad(mutant) }]
    })
  }

  /** The likeliest first: tests that saw mutants of this source, the source's own tests, quick ones. */
  #chosen(job: Job, wanted: readonly TestRef[]): { readonly tests: readonly TestRef[]; readonly isCut: boolean } {
    const { file } = job.source.source
    const kills = this.#kills.get(file)
    const room = `test/${dirname(file).split('/')[0]}/`
    const isOwn = (test: TestRef) => basename(test.file) === `${basename(file, '.ts')}.test.ts`
    const rank = (test: TestRef) => {
      const seen = kills?.get(keyOf(test)) ?? 0
      const near = isOwn(test) ? 0.2 : test.file.startsWith(room) ? 0.6 : 1
      return ((test.ms + 5) * near) / (1 + seen)
    }
    const ordered = wanted
      .filter((test) => !this.#shaky.has(keyOf(test)))
      .map((test) => ({ test, rank: rank(test) }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ test }) => test)
    if (this.options.isThorough) return { tests: ordered, isCut: false }
    let ms = 0
    const quick = ordered.filter((test) => test.ms <= slowTestMs)
    const fitting = (test: TestRef, i: number) => isOwn(test) || (ms += test.ms) <= this.options.budgetMs || i < testsMin
    const tests = (quick.length > 0 ? quick : ordered).filter(fitting)
    return { tests, isCut: tests.length < ordered.length }
  }

  async #tryAll(jobs: readonly Job[]): Promise<void> {
    if (jobs.length === 0) return
    this.options.say(`trying ${jobs.length} mutants`)
    const workers = new Map<number, WorkerProcess>()
    const started = performance.now()
    let tried = 0
    await inParallel(jobs, this.options.jobs, async (job, lane) => {
      await this.#try(job, lane, workers)
      tried++
      if (performance.now() - this.#savedMs > saveEveryMs) {
        this.#savedMs = performance.now()
        this.store.save()
        const minutes = (performance.now() - started) / 60_000
        const left = (minutes / tried) * (jobs.length - tried)
        this.options.say(`${tried} of ${jobs.length}, ${job.source.source.file}; about ${Math.ceil(left)} min left`)
      }
    })
    for (const worker of workers.values()) await worker.end()
  }

  async #try(job: Job, lane: number, workers: Map<number, WorkerProcess>): Promise<void> {
    let { needsFresh } = job
    let wanted = job.tests
    for (let attempt = 0; attempt < 6; attempt++) {
      const { tests, isCut } = this.#chosen(job, wanted)
      const found = await this.#attempt(job, tests, (isFresh = false) => this.#worker(lane, workers, isFresh), needsFresh)
      if (found.type === 'stale') {
        needsFresh = true
        continue
      }
      if (found.type === 'shaky') {
        this.#shaky.add(keyOf(found.test))
        needsFresh = job.needsFresh
        continue
      }
      if (found.type === 'killed') {
        this.#count(job.source.source.file, found.test)
        const verdict: Verdict = { type: 'killed', by: found.test.title, file: found.test.file, how: found.how }
        this.store.put(job.source.source.file, job.mutant, verdict, this.#digestsOf([found.test]))
        return
      }
      // Code that ran once and was remembered runs again only in a fresh process.
      if ((!found.isReached || found.isOnce) && !needsFresh) {
        needsFresh = true
        wanted = job.source.testsOfScope(job.mutant)
        continue
      }
      const tried = { ...job.before, ...this.#digestsOf(tests) }
      const verdict: Verdict = found.isReached ? { type: 'survived', isCut } : { type: 'unreached' }
      this.store.put(job.source.source.file, job.mutant, verdict, tried)
      return
    }
  }

  async #attempt(
    { source, mutant }: Job,
    tests: readonly TestRef[],
    next: (isFresh?: boolean) => WorkerProcess,
    needsFresh: boolean,
  ): Promise<
    | { readonly type: 'killed'; readonly test: TestToRun; readonly how: string }
    | { readonly type: 'shaky'; readonly test: TestToRun }
    /** The worker's leftovers were the reason. */
    | { readonly type: 'stale' }
    | { readonly type: 'survived'; readonly isReached: boolean; readonly isOnce: boolean }
  > {
    const toRun = tests.map(({ file, title, ms }) => ({ file, title, limitMs: this.options.patienceMs + slowdownMax * ms }))
    const silenceMs = Math.max(0, ...toRun.map(({ limitMs }) => limitMs)) + this.#silenceMs
    let running = toRun[0]
    const worker = next(needsFresh)
    const order = { type: 'try', mutant: { file: source.source.file, id: mutant.id }, tests: toRun } as const
    const answer = await worker
      .ask(order, silenceMs, (heard) => {
        if (heard.type === 'begins') running = toRun.find(({ title }) => title === heard.title) ?? running
        return heard.type === 'killed' || heard.type === 'survived' ? heard : undefined
      })
      .catch((error) => {
        if (error instanceof WorkerGone) return error
        throw error
      })
    if (!(answer instanceof WorkerGone) && answer.type === 'survived') return answer
    if (!(answer instanceof WorkerGone) && answer.isConfirmed) {
      return { type: 'killed', test: answer.test, how: answer.outcome.reason ?? 'failed' }
    }
    worker.kill()
    const test = answer instanceof WorkerGone ? running! : answer.test
    const how =
      answer instanceof WorkerGone
        ? `the process ${answer.why === 'silent' ? 'never came back' : 'ended'}`
        : answer.outcome.end === 'late'
          ? 'it did not come to its end'
          : (answer.outcome.reason ?? 'failed')
    // The worker's leftovers may have been the reason: fresh ones must agree, without the mutant and with it.
    if (!(await this.#passes(next(), test))) return { type: 'shaky', test }
    if (await this.#fails(next(true), source.source.file, mutant, test)) return { type: 'killed', test, how }
    return needsFresh ? { type: 'shaky', test } : { type: 'stale' }
  }

  async #passes(worker: WorkerProcess, test: TestToRun): Promise<boolean> {
    // A slow machine is no fault of the test.
    const patient = { ...test, limitMs: secondWordMax * test.limitMs }
    const answer = await this.#once(worker, { type: 'check', test: patient }, patient)
    return answer?.type === 'checked' && answer.outcome.end === 'passed'
  }

  async #fails(worker: WorkerProcess, file: string, mutant: Mutant, test: TestToRun): Promise<boolean> {
    const answer = await this.#once(worker, { type: 'try', mutant: { file, id: mutant.id }, tests: [test] }, test)
    return answer?.type !== 'survived'
  }

  async #once(worker: WorkerProcess, order: Parameters<WorkerProcess['ask']>[0], test: TestToRun): Promise<Answer | undefined> {
    try {
      return await worker.ask(order, test.limitMs + 3 * this.#silenceMs, (heard) =>
        heard.type === 'ready' || heard.type === 'begins' ? undefined : heard,
      )
    } catch (error) {
      if (error instanceof WorkerGone) return undefined
      throw error
    }
  }

  #worker(lane: number, workers: Map<number, WorkerProcess>, isFresh: boolean): WorkerProcess {
    const known = workers.get(lane)
    if (known !== undefined && !known.isGone && !isFresh && known.orders < ordersPerWorker) return known
    if (known !== undefined) void known.end()
    const worker = new WorkerProcess(this.#setup)
    workers.set(lane, worker)
    if (isFresh) worker.orders = ordersPerWorker
    return worker
  }

  #count(file: string, test: { readonly file: string; readonly title: string }): void {
    let kills = this.#kills.get(file)
    if (kills === undefined) this.#kills.set(file, (kills = new Map()))
    kills.set(keyOf(test), (kills.get(keyOf(test)) ?? 0) + 1)
  }

  #digestsOf(tests: readonly { readonly file: string }[]): Record<string, string> {
    return Object.fromEntries(tests.map(({ file }) => [file, this.#digest(file)]))
  }
}

async function inParallel<T>(items: readonly T[], lanes: number, work: (item: T, lane: number) => Promise<void>): Promise<void> {
  let next = 0
  const lane = async (_: unknown, number: number) => {
    while (next < items.length) await work(items[next++]!, number)
  }
  await Promise.all(Array.from({ length: Math.min(lanes, items.length) }, lane))
}
