/**
 * The verdict on each mutant, kept from one run to the next as long as its code and the tests are the same.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { MeasuredFile, Numberings } from './coverage.js'
import type { Mutant } from './mutant.js'

export type Verdict =
  /** A test saw it: it failed, or never came to its end. */
  | { readonly type: 'killed'; readonly by: string; readonly file: string; readonly how: string }
  /** Tests reach it and see nothing. `isCut`: not all of them were tried. */
  | { readonly type: 'survived'; readonly isCut: boolean }
  /** No test comes there. */
  | { readonly type: 'unreached' }

interface KeptVerdict {
  readonly verdict: Verdict
  /** Of the mutant's code. */
  readonly digest: string
  /** Of the test files that were tried. */
  readonly tests: Readonly<Record<string, string>>
}

interface Kept {
  readonly format: 1
  readonly coverage: Record<string, MeasuredFile>
  readonly numberings: Numberings
  readonly verdicts: Record<string, Record<string, KeptVerdict>>
}

export class VerdictStore {
  readonly #kept: Kept

  constructor(
    private readonly path: string,
    isFresh: boolean,
  ) {
    this.#kept = (isFresh ? undefined : read(path)) ?? { format: 1, coverage: {}, numberings: {}, verdicts: {} }
  }

  get coverage(): Record<string, MeasuredFile> {
    return this.#kept.coverage
  }

  get numberings(): Numberings {
    return this.#kept.numberings
  }

  /** The mutant's verdict, if its code is as it was. */
  of(file: string, mutant: Mutant): KeptVerdict | undefined {
    const found = this.#kept.verdicts[file]?.[mutant.key]
    return found?.digest === mutant.digest ? found : undefined
  }

  put(file: string, mutant: Mutant, verdict: Verdict, tests: Readonly<Record<string, string>>): void {
    const ofFile = (this.#kept.verdicts[file] ??= {})
    ofFile[mutant.key] = { verdict, digest: mutant.digest, tests }
  }

  save(): void {
    mkdirSync(dirname(this.path), { recursive: true })
    const beside = `${this.path}.${process.pid}`
    writeFileSync(beside, JSON.stringify(this.#kept))
    renameSync(beside, this.path)
  }
}

function read(path: string): Kept | undefined {
  if (!existsSync(path)) return undefined
  const kept = JSON.parse(readFileSync(path, 'utf8')) as Kept
  return kept.format === 1 ? kept : undefined
}
