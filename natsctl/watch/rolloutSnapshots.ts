/**
 * The sources of a watch, asked again and again: the rows and the controls of the upgrade database, and the
 * history as far as it is not known yet.
 */
import type { NodeRow, Operator } from 'theseus-actors'
import type { Trust } from '../context/trust.js'
import { HistoryReader } from '../history/knownHistory.js'
import { pollUntilAborted } from '../rollout/rolloutPoll.js'
import type { KnownRollout } from '../rollout/waitReason.js'

export interface RolloutSnapshot {
  readonly rows: readonly NodeRow[]
  readonly known: KnownRollout
}

/** Asks the database alone: there is something to see also while no upgrade server runs. */
export function rolloutSnapshots(
  { database }: Pick<Operator, 'database'>,
  system: string,
  trust: Trust | undefined,
  signal: AbortSignal,
  tell: (line: string) => void,
): AsyncGenerator<RolloutSnapshot> {
  const reader = new HistoryReader(database, system, trust)
  const read = async (): Promise<RolloutSnapshot> => {
    const [{ newest, history }, rows, controls] = await Promise.all([reader.read(), database.nodes(), database.controls()])
    return { rows, known: { newest, manifests: history.manifests, controls, doubt: history.doubt } }
  }
  return pollUntilAborted(read, signal, tell)
}
