/** The cost of simulation objects for a call that they answer: one, and a chain of ten. */

import type { Bench } from '../options.js'
import { hops as match } from './contenders.js'
import { runMatch } from './match.js'
import { type Line, type MatchReport, matchText } from './report.js'

/** A hop is a small part of a call: it takes more rounds to see it. */
const rounds = 9

export const hops: Bench<MatchReport> = {
  name: 'hops',
  about: 'the cost of a simulation object for a call, and of a chain of ten: under two minutes',
  run: (options) => runMatch(match, { ...options, rounds: options.rounds ?? (options.quick ? 3 : rounds) }),
  text: (report) => `${matchText(report)}\n\n${costs(report).join('\n')}`,
}

/**
 * In percent of a call that the object answers itself: by the rate of calls, and by the CPU time of all three
 * processes, which is steadier.
 */
function costs({ lines, references }: MatchReport): readonly string[] {
  const percent = (ratio: number): string => `${((ratio - 1) * 100).toFixed(1)} %`
  return (
    lines
      // An earlier release's are compared with today's by their rates alone.
      .filter(({ contender }) => !references.includes(contender) && !contender.includes(': '))
      .flatMap((line) => {
        const object = lines.find(({ contender, load }) => references.includes(contender) && load === line.load)
        if (object === undefined || line.ratio === null) return []
        const byTime = percent(cpuUs(line) / cpuUs(object))
        return [`${line.load} in flight, ${line.contender}: ${percent(1 / line.ratio)} of a call, ${byTime} of its CPU time`]
      })
  )
}

function cpuUs({ cpuUsPerCall: { caller, callee, natsServer } }: Line): number {
  return caller + callee + natsServer
}
