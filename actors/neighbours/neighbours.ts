/** The neighbours of a host, by name, and what its classes need of them. */
import { Fault } from '../../core/base/fault.js'
import type { CalledNeighbour as Called, ClassDescription } from '../../core/model/nodeObject.js'
import type { NeededNeighbours } from '../base/neededNeighbours.js'
import type { StopBudget } from '../base/stopBudget.js'
import type { CalledNeighbours } from '../calls/upgradeLayer.js'
import type { Neighbour } from './neighbour.js'

export class Neighbours implements NeededNeighbours, CalledNeighbours {
  readonly #all = new Map<string, Neighbour>()

  add(neighbour: Neighbour): void {
    this.#all.set(neighbour.system, neighbour)
    neighbour.start()
  }

  /** Throws `config.invalid` for a system that is none. */
  get(system: string): Neighbour {
    const found = this.#all.get(system)
    if (found !== undefined) return found
    throw new Fault('config.invalid', `${system} is no neighbour of this host: ${advice(system)}`)
  }

  check({ className, neighbours }: ClassDescription): void {
    for (const called of neighbours)
      if (!this.#all.has(called.system)) throw new Fault('config.invalid', this.#missing(className, called))
  }

  async know({ className, neighbours }: ClassDescription): Promise<void> {
    for (const called of neighbours) {
      const neighbour = this.#all.get(called.system)
      if (neighbour === undefined) throw new Fault('upgrade.neighbour', this.#missing(className, called), { ...called })
      await neighbour.need(called.className)
    }
  }

  async stop(budget: StopBudget): Promise<void> {
    await Promise.all([...this.#all.values()].map((neighbour) => neighbour.stop(budget)))
  }

  #missing(className: string, called: Called): string {
    return `${className} calls ${called.className} of system ${called.system}, which is no neighbour of this host: ${advice(called.system)}`
  }
}

function advice(system: string): string {
  return `give "neighbours: { ${system}: { transport, udb, trust } }" when it starts`
}
