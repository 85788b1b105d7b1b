/**
 * Refusals that come too late: a simulation object refuses a call after it has called another node, or
 * published something. On its own node the runtime takes all back, and elsewhere nothing.
 */
import { isSO } from '../../core/model/simulation.js'
import { type Blame, carriedOutBy } from './blame.js'
import type { Cast } from './cast.js'
import { type Call, type History, looksAfter, targetOf } from './history.js'
import { areAlike, type Outcome } from './outcomes.js'
import { type Player, play, type Trace } from './playing.js'

export interface LateRefusal {
  readonly blame: Blame
  readonly refused: Outcome
  /** A query that shows it, with its answers after the refused call and without it. */
  readonly look: Call
  readonly shown: Outcome
  readonly without: Outcome
}

type Side = 'early' | 'late'

/** The side on which the call was refused by code that has effects elsewhere. */
export function suspectSide(history: History, early: Trace, late: Trace, cast: Cast): Side | undefined {
  if (early.flip !== undefined || late.flip !== undefined) return undefined
  if (early.call.is === 'refused' && hasEffects(history, 'early', cast)) return 'early'
  return late.call.is === 'refused' && hasEffects(history, 'late', cast) ? 'late' : undefined
}

export async function lateRefusal(history: History, side: Side, player: Player): Promise<LateRefusal | undefined> {
  const { sources } = player
  const looks = looksAfter(history, sources)
  const [made, without] = await Promise.all([
    play(history, side === 'early' ? 'callOnly' : 'flipFirst', player, { seed: 1, looks }),
    play(history, side === 'early' ? 'neither' : 'flipOnly', player, { seed: 1, looks }),
  ])
  if (made.call.is !== 'refused') return undefined
  const at = looks.findIndex((_, i) => !areAlike(made.looks[i]!, without.looks[i]!))
  if (at < 0) return undefined
  const blame = blameOf(history, side, sources.cast)
  return { blame, refused: made.call, look: looks[at]!, shown: made.looks[at]!, without: without.looks[at]! }
}

function blameOf(history: History, side: Side, cast: Cast): Blame {
  const { call } = history
  const target = targetOf(history, cast)!
  return carriedOutBy(cast.member(call.node), call.version, side === 'early' ? target - 1 : target, call.method)
}

function hasEffects(history: History, side: Side, cast: Cast): boolean {
  if (history.call.node !== history.flip) return false
  const { part, how, method, version } = blameOf(history, side, cast)
  if ((part !== 'futureSO' && part !== 'pastSO') || how !== 'implements') return false
  const so = cast.member(history.call.node).steps[version]?.[part]
  return so !== undefined && isSO(so) && /\.\s*(ref|sender|publish)\s*\(/.test(String(so.methods[method!]))
}
