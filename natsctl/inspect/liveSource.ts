/**
 * Looks at a running system: what its hosts tell as it happens, and now and then the upgrade database, for
 * nodes whose host is away or says nothing, and for the upgrades that are installed.
 */

import type { NodeRow, Operator, Version } from 'theseus-actors'
import { clientService } from 'theseus-actors/operator'
import type { Trust } from '../context/trust.js'
import { DoubtNotice, knownHistory } from '../history/knownHistory.js'
import { note } from '../output/output.js'
import { type RecordingEntry, rowEntry } from './recordingEntry.js'

const pollMs = 1_000

/** Returns what ends it. */
export function followRollout(
  operator: Operator,
  system: string,
  trust: Trust | undefined,
  hear: (entries: readonly RecordingEntry[]) => void,
): () => void {
  const stopLooking = operator.look(({ hostId, seen, lostMessages, dropped }) => {
    const isLost = lostMessages > 0 || dropped > 0
    hear(isLost ? [...seen, { type: 'lost', at: Date.now(), hostId, messages: lostMessages, dropped }] : seen)
  })
  const poll = new Poll(operator, system, trust, hear)
  let timer: NodeJS.Timeout | undefined
  const round = async () => {
    await poll.round()
    if (!poll.isOver) timer = setTimeout(round, pollMs)
  }
  void round()
  return () => {
    poll.isOver = true
    clearTimeout(timer)
    stopLooking()
  }
}

/** Tells of what has changed in the database. */
class Poll {
  readonly #rows = new Map<string, string>()
  #newest: Version = 0
  #isAway = false
  readonly #doubt = new DoubtNotice()
  /** Nobody looks any more: a connection that ends under a question is no news. */
  isOver = false

  constructor(
    private readonly operator: Operator,
    private readonly system: string,
    private readonly trust: Trust | undefined,
    private readonly hear: (entries: readonly RecordingEntry[]) => void,
  ) {}

  async round(): Promise<void> {
    try {
      const rows = await this.operator.database.nodes()
      this.hear(this.#changes(rows.filter(({ service }) => service !== clientService)))
      const { version } = await this.operator.database.head()
      if (version > this.#newest) await this.#versions(version)
      this.#isAway = false
    } catch (error) {
      if (!this.#isAway && !this.isOver) note(`the upgrade database or server does not answer: ${(error as Error).message}`)
      this.#isAway = true
    }
  }

  #changes(rows: readonly NodeRow[]): readonly RecordingEntry[] {
    const at = Date.now()
    const changes: RecordingEntry[] = []
    const found = new Set<string>()
    for (const row of rows) {
      found.add(row.nodeId)
      const said = JSON.stringify(rowEntry(row, 0))
      if (this.#rows.get(row.nodeId) === said) continue
      this.#rows.set(row.nodeId, said)
      changes.push(rowEntry(row, at))
    }
    for (const nodeId of this.#rows.keys()) {
      if (found.has(nodeId)) continue
      this.#rows.delete(nodeId)
      changes.push({ type: 'unregistered', at, nodeId })
    }
    return changes
  }

  async #versions(newest: Version): Promise<void> {
    const history = knownHistory(this.system, this.trust, await this.operator.signedHistory())
    const { manifests, verified } = history
    this.#doubt.tell(history)
    this.hear(
      manifests
        .filter(({ version }) => version > this.#newest)
        .map(({ version, title, createdAt, classUpgrades }) => ({
          type: 'version',
          at: Date.parse(createdAt) || Date.now(),
          version,
          title: version <= verified ? title : `${title} (not verified)`,
          classUpgrades: classUpgrades.map(({ service, oldClass, newClass, schedule }) => ({
            service,
            oldClass,
            newClass,
            schedule,
          })),
        })),
    )
    this.#newest = newest
  }
}
