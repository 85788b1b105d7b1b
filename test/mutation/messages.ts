/** Between the runner and its workers. */

export interface TestOutcome {
  readonly ms: number
  readonly end: 'passed' | 'failed' | 'late' | 'gone'
  readonly reason?: string
}

export interface TestToRun {
  readonly file: string
  readonly title: string
  readonly limitMs: number
}

export type Order =
  | { readonly type: 'measure'; readonly file: string }
  | {
      readonly type: 'try'
      readonly mutant: { readonly file: string; readonly id: number }
      readonly tests: readonly TestToRun[]
    }
  /** Whether the test passes without a mutant. */
  | { readonly type: 'check'; readonly test: TestToRun }
  | { readonly type: 'end' }

/** Per file, the numbers of the mutants as bits in base64. */
export type Reached = Readonly<Record<string, string>>

export type Answer =
  | { readonly type: 'ready' }
  | { readonly type: 'loaded'; readonly reached: Reached }
  | { readonly type: 'begins'; readonly title: string }
  | { readonly type: 'measured'; readonly title: string; readonly outcome: TestOutcome; readonly reached: Reached }
  | { readonly type: 'done' }
  | { readonly type: 'killed'; readonly test: TestToRun; readonly outcome: TestOutcome; readonly isConfirmed: boolean }
  | { readonly type: 'survived'; readonly isReached: boolean; readonly isOnce: boolean }
  | { readonly type: 'checked'; readonly outcome: TestOutcome }
