/** The neighbours of a host, as far as classes need them (actors/neighbours/). */
import type { ClassDescription } from '../../core/model/nodeObject.js'

export interface NeededNeighbours {
  /** Throws `config.invalid` for a class that calls a system which is no neighbour of this host. */
  check(description: ClassDescription): void
  /**
   * Resolves when the versions are known to which the neighbours' classes belong that it calls. Throws
   * `upgrade.neighbour` for a system that is no neighbour, `upgrade.fetch` where its history can't be had.
   */
  know(description: ClassDescription): Promise<void>
}

export const noNeighbours: NeededNeighbours = { check: () => {}, know: () => Promise.resolve() }
