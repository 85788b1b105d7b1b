/** The bench's command line, as every bench of it sees it. */

export interface Options {
  /** Shorter, for a look: the figures are not to be told to anybody. */
  readonly quick: boolean
  readonly rounds: number | undefined
  readonly durationMs: number | undefined
  readonly only: readonly string[] | undefined
  readonly alone: boolean
  /** The release that is measured beside this one. */
  readonly beside: string | undefined
  readonly loads: readonly string[] | undefined
  readonly nodes: readonly number[] | undefined
  /** Where CPU profiles of the measured process go. */
  readonly profile: string | undefined
}

/** One of the benches. `Result` is what goes into the JSON. */
export interface Bench<Result = unknown> {
  readonly name: string
  /** One line for `--help`. */
  readonly about: string
  run(options: Options): Promise<Result>
  /** The same for people. */
  text(result: Result): string
}

/** The command line is wrong. */
export class UsageError extends Error {}

export function profiling(options: Options): readonly string[] {
  return options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`]
}

export function progress(message: string): void {
  process.stderr.write(`· ${message}\n`)
}
