/** The result: whether a call failed, was answered wrongly, or something acknowledged is gone. */
import type { Tally } from './load.js'

export interface Sums {
  readonly calls: number
  readonly failed: number
  readonly lost: number
  readonly wrong: number
}

export function sumsOf(tallies: readonly Tally[], lost: readonly string[]): Sums {
  const sum = (count: (tally: Tally) => number) => tallies.reduce((total, tally) => total + count(tally), 0)
  return {
    calls: sum((tally) => tally.calls),
    failed: sum((tally) => tally.failed),
    lost: lost.length,
    wrong: sum((tally) => tally.wrong),
  }
}

/** The errors, if any, and the one line that counts. */
export function summaryLines(tallies: readonly Tally[], lost: readonly string[]): readonly string[] {
  const { calls, failed, wrong } = sumsOf(tallies, lost)
  return [
    ...tallies.flatMap(({ failures, contradictions }) => [
      ...[...failures].map(([code, times]) => `failed: ${code} (${times} times)`),
      ...contradictions.map((words) => `wrong: ${words}`),
    ]),
    ...lost.slice(0, 10).map((words) => `lost: ${words}`),
    `calls ${calls}, failed ${failed}, lost ${lost.length}, wrong ${wrong}`,
  ]
}

/** Prints it. Returns the exit code. */
export function summary(tallies: readonly Tally[], lost: readonly string[]): 0 | 1 {
  for (const line of summaryLines(tallies, lost)) process.stdout.write(`${line}\n`)
  const { failed, wrong } = sumsOf(tallies, lost)
  return failed + wrong + lost.length === 0 ? 0 : 1
}
