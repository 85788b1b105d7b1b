/**
 * The shards that operators have placed at a host, and where nodes are to live (`place` and `home` of
 * core/control/control.ts), as the upgrade database has them. They are read while this host offers a sharded
 * service. While the database is away the last word counts.
 */
import { type ControlName, controlKey, type HomeOrder, type Placement } from '../../core/control/control.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { Clock } from '../../core/ports/clock.js'

export interface PlacementsServices {
  readonly clock: Clock
  readonly database: Pick<UpgradeDatabase, 'controls'>
  readonly settings: { readonly controlsMs: number }
}

export class Placements {
  #placements: ReadonlyMap<string, Placement> = new Map()
  #homes: ReadonlyMap<string, HomeOrder> = new Map()
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

  /** Where the nodes of the service are to live; undefined: where they are. */
  home(service: string): HomeOrder | undefined {
    return this.#homes.get(service)
  }

  async #read(): Promise<void> {
    const { clock, database, settings } = this.services
    try {
      const controls = await database.controls()
      const placements = controls.filter((control) => control.kind === 'place')
      const homes = controls.filter((control) => control.kind === 'home')
      this.#homes = new Map(homes.map((home) => [home.service, home]))
      this.#placements = new Map(placements.map((placement) => [controlKey(placement), placement]))
    } catch {
      // Asked again soon.
    }
    if (this.#isFollowing) this.#cancel = clock.after(settings.controlsMs, () => void this.#read())
  }
}
