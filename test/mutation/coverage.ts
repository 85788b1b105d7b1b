/**
 * Which tests reach which mutants: measured once for each test file, and kept until the test file changes.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Reached } from './messages.js'
import type { InstrumentedFile, Mutant } from './mutant.js'
import { WorkerProcess, type WorkerSetup } from './workerProcess.js'

export interface MeasuredTest {
  readonly title: string
  readonly ms: number
  readonly reached: Reached
}

export interface MeasuredFile {
  /** Of the test file's own text, and of the contracts that it has tests of. */
  readonly digest: string
  /** The keys of the mutants that the bits stand for, by the digest of each source's keys. */
  readonly sources: Readonly<Record<string, string>>
  readonly atLoad: Reached
  readonly tests: readonly MeasuredTest[]
  /** Tests that fail without any mutant. */
  readonly failing: readonly string[]
}

/** How a source's mutants were numbered, by digest. */
export type Numberings = Record<string, readonly string[]>

/** Of a test file, with the contracts that it has tests of: a new test of theirs is a new test of its own. */
export function digestOfFile(root: string, file: string): string {
  const text = readFileSync(join(root, file), 'utf8')
  const contracts = [...text.matchAll(/from '(\.[^']+Contract)\.js'/g)].map(([, path]) =>
    readFileSync(join(root, dirname(file), `${path}.ts`), 'utf8'),
  )
  return digestOfText([text, ...contracts].join('\n'))
}

function digestOfText(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 16)
}

export function numberingOf(file: InstrumentedFile): string {
  return digestOfText(`${file.file}\n${file.mutants.map(({ key }) => key).join('\n')}`)
}

/** Runs a test file's tests in a worker of its own. */
export async function measureFile(
  root: string,
  file: string,
  setup: WorkerSetup,
  files: readonly InstrumentedFile[],
): Promise<MeasuredFile> {
  const worker = new WorkerProcess(setup)
  let atLoad: Reached = {}
  const tests: MeasuredTest[] = []
  const failing: string[] = []
  try {
    await worker.ask({ type: 'measure', file }, 180_000, (answer) => {
      if (answer.type === 'loaded') atLoad = answer.reached
      if (answer.type === 'measured') {
        const { title, outcome, reached } = answer
        if (outcome.end === 'passed') tests.push({ title, ms: Math.ceil(outcome.ms), reached })
        else failing.push(`${title}: ${outcome.reason ?? outcome.end}`)
      }
      return answer.type === 'done' ? true : undefined
    })
  } catch {
    failing.push(`the file: ${worker.errors.trim().split('\n').slice(-12).join('\n')}`)
  }
  await worker.end()
  return {
    digest: digestOfFile(root, file),
    sources: Object.fromEntries(files.map((one) => [one.file, numberingOf(one)])),
    atLoad,
    tests,
    failing,
  }
}

export interface TestRef {
  readonly file: string
  readonly title: string
  readonly ms: number
}

/**
 * The test files that reach the mutants of one source. A mutant that is new since a test file was measured
 * counts as reached with its scope.
 */
export class Coverage {
  readonly #byMutant = new Map<string, TestRef[]>()
  readonly #byScope = new Map<string, Set<TestRef>>()
  readonly #all = new Set<TestRef>()
  readonly #atLoad = new Set<string>()
  /** Of test files that load it, whether they run any of it later or not. */
  readonly #loading: TestRef[] = []
  /** Of its own test file: what they use of a table is not seen where no mutant is beside it. */
  readonly #own: TestRef[] = []

  constructor(
    readonly source: InstrumentedFile,
    measured: ReadonlyMap<string, MeasuredFile>,
    numberings: Numberings,
  ) {
    const ownTest = `${basename(source.file, '.ts')}.test.ts`
    for (const [file, { sources, atLoad, tests }] of measured) {
      const keys = numberings[sources[source.file] ?? '']
      if (keys === undefined) continue
      for (const key of reachedKeys(atLoad[source.file], keys)) this.#atLoad.add(key)
      const known = new Set(keys)
      const knownScopes = new Set(keys.map(scopeOf))
      const unmeasured = source.mutants.filter(({ key }) => !known.has(key))
      for (const { title, ms, reached } of tests) {
        const ref = { file, title, ms }
        if (atLoad[source.file] !== undefined) this.#loading.push(ref)
        if (basename(file) === ownTest) this.#own.push(ref)
        const found = reachedKeys(reached[source.file], keys)
        const scopes = new Set(found.map(scopeOf))
        for (const { key, scope } of unmeasured)
          if (scopes.has(scope) || (found.length > 0 && !knownScopes.has(scope))) add(this.#byMutant, key, ref)
        for (const key of found) {
          this.#all.add(ref)
          add(this.#byMutant, key, ref)
          const scope = scopeOf(key)
          let inScope = this.#byScope.get(scope)
          if (inScope === undefined) this.#byScope.set(scope, (inScope = new Set()))
          inScope.add(ref)
        }
      }
    }
  }

  testsOf(mutant: Mutant): readonly TestRef[] {
    // Tables and scripts that are made once are used by code elsewhere.
    if (this.isAtLoad(mutant)) return this.#all.size > 0 ? [...new Set([...this.#own, ...this.#all])] : this.#loading
    return this.#byMutant.get(mutant.key) ?? []
  }

  /**
   * Those that come to its function at all: what it made once, and is remembered, may be seen by any of them.
   */
  testsOfScope(mutant: Mutant): readonly TestRef[] {
    return [...(this.#byScope.get(mutant.scope) ?? this.#all)]
  }

  /** It takes effect when the module is loaded. */
  isAtLoad(mutant: Mutant): boolean {
    return mutant.isStatic || this.#atLoad.has(mutant.key)
  }
}

function scopeOf(key: string): string {
  return key.slice(0, key.indexOf(' | '))
}

function add<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

function reachedKeys(bits: string | undefined, keys: readonly string[]): readonly string[] {
  if (bits === undefined) return []
  const bytes = Buffer.from(bits, 'base64')
  return keys.filter((_, id) => (bytes[id >> 3]! & (1 << (id & 7))) !== 0)
}
