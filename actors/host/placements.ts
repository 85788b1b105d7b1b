/**
 * The shards that operators have placed at a host (`place` of core/control/control.ts), as the upgrade
 * database has them: read while this host offers a sharded service. While the database is away the last word
 * counts.
 */
import { type ControlName, controlKey, type Placement } from '../../core/control/control.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'

export interface PlacementsServices {
  readonly clock: Clock
  readonly database: Pick<UpgradeDatabase, 'controls'>
  readonly settings: { readonly controlsMs: number }
}

export class Placements {
  #placements: ReadonlyMap<string, Placement> = new Map()
  #isFollowing = false
  #cancel: () => void = () => {}

  constructor(private readonly services: PlacementsServices) {}

  /** Reads them from now on, every `controlsMs`. */
  follow(): void {
    if (this.#isFollowing) return
    this.#isFollowing = true
    void this.#read()
  }

  stop(): void {
    this.#isFollowing = false
    this.#cancel()
  }

  of(service: string, shard: number): Placement | undefined {
    const name: ControlName = { kind: 'place', service, shard }
    return this.#placements.get(controlKey(name))
  }

  async #read(): Promise<void> {
    const { clock, database, settings } = this.services
    try {
      const placements = (await database.controls()).filter((control) => control.kind === 'place')
      this.#placements = new Map(placements.map((placement) => [controlKey(placement), placement]))
    } catch {
      // Asked again soon.
    }
    if (this.#isFollowing) this.#cancel = clock.after(settings.controlsMs, () => void this.#read())
  }
}
