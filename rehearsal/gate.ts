/** Upgrades whose schedules do what a script says: each signals when it is told to. */
import type { SchedulingView, Upgrade, Version } from 'theseus'

interface Door {
  readonly opened: Promise<void>
  readonly open: () => void
  readonly reached: Promise<SchedulingView>
  readonly reach: (view: SchedulingView) => void
}

export class Gate {
  readonly #doors = new Map<Version, Door>()

  /** The same upgrade, with schedules that wait for `open`. */
  gated(upgrade: Upgrade): Upgrade {
    const run = async (view: SchedulingView) => {
      this.#door(view.target).reach(view)
      await this.#door(view.target).opened
    }
    const schedule = { describe: 'when the script says so', run }
    return { ...upgrade, classUpgrades: upgrade.classUpgrades.map((classUpgrade) => ({ ...classUpgrade, schedule })) }
  }

  open(version: Version): void {
    this.#door(version).open()
  }

  /** The node's committed state, as the scheduling function of this version sees it (§4). */
  async stateOf(version: Version): Promise<Readonly<Record<string, unknown>>> {
    return (await this.#door(version).reached).state
  }

  #door(version: Version): Door {
    let door = this.#doors.get(version)
    if (door === undefined) {
      const opening = Promise.withResolvers<void>()
      const reaching = Promise.withResolvers<SchedulingView>()
      door = { opened: opening.promise, open: opening.resolve, reached: reaching.promise, reach: reaching.resolve }
      this.#doors.set(version, door)
    }
    return door
  }
}
