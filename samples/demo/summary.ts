import type { Tally } from './load.js'

/** Prints what went wrong, if anything, and the one line that counts. Returns the exit code. */
export function summary(tallies: readonly Tally[], lost: readonly string[]): number {
  const sum = (count: (tally: Tally) => number) => tallies.reduce((total, tally) => total + count(tally), 0)
  const failed = sum((tally) => tally.failed)
  const wrong = sum((tally) => tally.wrong)
  for (const tally of tallies) {
    for (const [code, times] of tally.failures) process.stdout.write(`failed: ${code} (${times} times)\n`)
    for (const words of tally.contradictions) process.stdout.write(`wrong: ${words}\n`)
  }
  for (const words of lost.slice(0, 10)) process.stdout.write(`lost: ${words}\n`)
  process.stdout.write(`calls ${sum((tally) => tally.calls)}, failed ${failed}, lost ${lost.length}, wrong ${wrong}\n`)
  return failed + wrong + lost.length === 0 ? 0 : 1
}
