/**
 * Calls per second and the time of one, between two processes over a real nats-server: Theseus beside the
 * bare wire and its peers.
 */

import type { Bench } from '../options.js'
import { calls as match } from './contenders.js'
import { runMatch } from './match.js'
import { type MatchReport, matchText } from './report.js'

export const calls: Bench<MatchReport> = {
  name: 'calls',
  about: 'calls and sends beside the bare wire and the peers: about five minutes',
  run: (options) => runMatch(match, options),
  text: matchText,
}
