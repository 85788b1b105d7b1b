import { parseArgs } from 'node:util'

export const usage = `npm run mutate [-- <file or folder>…] [options]

  --report            the verdicts of earlier runs; nothing is run
  --fresh             forgets earlier verdicts
  --thorough          all tests that reach a mutant, however long they take
  --match <text>      only mutants whose line has this text
  --tests <file>      only these tests; may be given again
  --min <percent>     exit code 1 if a file has a lower score
  --jobs <n>          so many processes at once; by default 2
  --budget <ms>       of tests for one mutant, and tries cut ones anew; by default 1500
  --patience <ms>     that a test may take longer than without a mutant; by default 1000
  --help
`

/** The flags; a text: it can't be run so, and why. */
export function commandLine(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        fresh: { type: 'boolean', default: false },
        thorough: { type: 'boolean', default: false },
        report: { type: 'boolean', default: false },
        jobs: { type: 'string', default: '2' },
        patience: { type: 'string', default: '1000' },
        budget: { type: 'string' },
        min: { type: 'string' },
        match: { type: 'string' },
        tests: { type: 'string', multiple: true },
        help: { type: 'boolean', default: false },
      },
    })
  } catch (error) {
    return `${(error as Error).message}\n\n${usage}`
  }
}
