/** Nodes that have stopped here: other starts of them need not wait until this host's leases have run out. */
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'
import type { HostSettings } from '../base/settings.js'
import { within } from '../base/timeouts.js'
import type { HostSession } from './hostSession.js'
import { noAnswerFault } from './noAnswerFault.js'

export interface StoppedNodesServices {
  readonly clock: Clock
  readonly settings: Pick<HostSettings, 'fenceAnswerMs'>
  readonly database: Pick<UpgradeDatabase, 'reportGone'>
  readonly session: HostSession
  /** Whether the node is here again. */
  has(nodeId: string): boolean
}

export class StoppedNodes {
  /** Those of which the database is still to be told. */
  readonly #left = new Set<string>()
  #telling: Promise<void> | undefined

  constructor(private readonly services: StoppedNodesServices) {}

  add(nodeId: string): void {
    this.#left.add(nodeId)
  }

  delete(nodeId: string): void {
    this.#left.delete(nodeId)
  }

  /** Resolves when the database has been told, if it is being told now: no registration may overtake that. */
  get telling(): Promise<void> | undefined {
    return this.#telling
  }

  /**
   * Other starts of these nodes need not wait for this one. If this is lost, they wait until
   * its lease has run out.
   */
  async tell(): Promise<void> {
    const { clock, settings, database, session } = this.services
    const nodeIds = [...this.#left].filter((nodeId) => !this.services.has(nodeId))
    this.#left.clear()
    if (nodeIds.length === 0) return
    const told = within(clock, settings.fenceAnswerMs, database.reportGone(nodeIds, session.now), noAnswerFault).catch(() => {})
    const telling = Promise.all([this.#telling, told]).then(() => {
      if (this.#telling === telling) this.#telling = undefined
    })
    this.#telling = telling
    await told
  }
}
