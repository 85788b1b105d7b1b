/**
 * Upgrades whose schedules do what a script says: each signals when it is told to. The script sees everything
 * that a schedule sees.
 */
import type { SchedulingView, Upgrade, Version } from 'theseus-actors'

interface Door {
  readonly opened: Promise<void>
  readonly open: () => void
}

export class ScriptedSchedules {
  readonly #doors = new Map<string, Door>()
  readonly #views = new Map<string, SchedulingView>()

  /** The same upgrade, with schedules that wait for `open`. */
  scripted(upgrade: Upgrade): Upgrade {
    const run = async (view: SchedulingView) => {
      this.#views.set(view.nodeId, view)
      await this.#door(view.nodeId, view.target).opened
    }
    const schedule = { describe: 'when the script says so', run }
    return { ...upgrade, classUpgrades: upgrade.classUpgrades.map((classUpgrade) => ({ ...classUpgrade, schedule })) }
  }

  signal(nodeId: string, version: Version): void {
    this.#door(nodeId, version).open()
  }

  /**
   * The node's committed state: what its scheduling function sees (§4), and goes on seeing after its upgrade.
   * Undefined for a node that no upgrade has concerned so far.
   */
  viewOf(nodeId: string): SchedulingView | undefined {
    return this.#views.get(nodeId)
  }

  #door(nodeId: string, version: Version): Door {
    const name = `${nodeId} ${version}`
    let door = this.#doors.get(name)
    if (door === undefined) {
      const { promise, resolve } = Promise.withResolvers<void>()
      door = { opened: promise, open: resolve }
      this.#doors.set(name, door)
    }
    return door
  }
}
