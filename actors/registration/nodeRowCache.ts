/**
 * The registered nodes as the upgrade database has them, read once for all nodes of a host: ten thousand
 * scheduling functions that look every half second are still a few reads a second.
 */
import { inject, injectable } from 'tsyringe'
import { Fault, isFault } from '../../core/base/fault.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import type { Clock } from '../../core/ports/clock.js'
import { frozen } from '../../core/schedules/schedulingView.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import { HostSession } from './hostSession.js'

@injectable()
export class NodeRowCache {
  #rows: Promise<readonly NodeRow[]> | undefined
  /** The same by service, made once for all who ask. */
  #byService = new Map<string, readonly NodeRow[]>()
  #readAtMs = 0

  constructor(
    @inject(tokens.database) private readonly database: UpgradeDatabase,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(HostSession) private readonly session: HostSession,
  ) {}

  /** At most `populationMs` old. Rejects while the database is away, or on probation. */
  async nodes(service?: string): Promise<readonly NodeRow[]> {
    if (this.#rows === undefined || this.clock.monotonicMs() - this.#readAtMs > this.settings.populationMs) {
      this.#readAtMs = this.clock.monotonicMs()
      const rows = this.#read()
      this.#rows = rows
      this.#byService = new Map()
      rows.catch(() => {
        if (this.#rows === rows) this.#rows = undefined
      })
    }
    const byService = this.#byService
    const rows = await this.#rows
    if (service === undefined) return rows
    let found = byService.get(service)
    if (found === undefined) {
      found = Object.freeze(rows.filter((row) => row.service === service))
      byService.set(service, found)
    }
    return found
  }

  /** Asked as a witness: this host may have seen what the database has lost. */
  async #read(): Promise<readonly NodeRow[]> {
    const standing = await this.database.attend(this.session.now)
    this.session.hear(standing)
    const doubt = standing.probation?.doubt ?? 'silent'
    if (doubt !== 'silent') {
      const message = 'the upgrade database has lost something, and not all hosts have told of their nodes yet'
      throw new Fault('unavailable.disconnected', message, { doubt })
    }
    // One reading is for all who ask: none of them sorts or changes it for the others.
    return frozen(await this.database.nodes())
  }
}

/** Whether the rows can't be believed, where they could be read. */
export function isOnProbation(error: unknown): boolean {
  return isFault(error) && error.details.doubt !== undefined
}
