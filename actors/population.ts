/**
 * The registered nodes as the upgrade database has them, read once for all nodes of a host: ten thousand scheduling functions that look
 * every half second are still a few reads a second.
 */
import { inject, injectable } from 'tsyringe'
import type { Clock } from '../core/ports/clock.js'
import type { NodeRow, UpgradeDatabase } from '../core/ports/upgradeDatabase.js'
import type { HostSettings } from './settings.js'
import { tokens } from './tokens.js'

@injectable()
export class Population {
  #rows: Promise<readonly NodeRow[]> | undefined
  #readAtMs = 0

  constructor(
    @inject(tokens.database) private readonly database: UpgradeDatabase,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.settings) private readonly settings: HostSettings,
  ) {}

  /** At most `populationMs` old. Rejects while the database is away. */
  async nodes(service?: string): Promise<readonly NodeRow[]> {
    if (this.#rows === undefined || this.clock.now() - this.#readAtMs > this.settings.populationMs) {
      this.#readAtMs = this.clock.now()
      const rows = this.database.nodes()
      this.#rows = rows
      rows.catch(() => {
        if (this.#rows === rows) this.#rows = undefined
      })
    }
    const rows = await this.#rows
    return service === undefined ? rows : rows.filter((row) => row.service === service)
  }
}
