/** What it costs a call that simulation objects answer it: one, and a chain of ten. */

import type { Bench } from '../options.js'
import { hops as match } from './contenders.js'
import { runMatch } from './match.js'
import { type MatchReport, matchText } from './report.js'

/** A hop is a small part of a call: it takes more rounds to see it. */
const rounds = 9

export const hops: Bench<MatchReport> = {
  name: 'hops',
  about: 'what a simulation object costs a call, and a chain of ten: under two minutes',
  run: (options) => runMatch(match, { ...options, rounds: options.rounds ?? (options.quick ? 3 : rounds) }),
  text: (report) => `${matchText(report)}\n\n${costs(report).join('\n')}`,
}

/** In percent of a call that the object answers itself, by the rate of calls. */
function costs({ lines, references }: MatchReport): readonly string[] {
  return lines
    .filter(({ contender, ratio }) => !references.includes(contender) && ratio !== null)
    .map(({ contender, load, ratio }) => `${load} in flight, ${contender}: ${((1 / ratio! - 1) * 100).toFixed(1)} % of a call`)
}
