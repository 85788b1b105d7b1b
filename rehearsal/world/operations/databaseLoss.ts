/**
 * The upgrade database loses data. The oracle's knowledge of it from before holds no more: controls, slots
 * and deaths are those that the database has now. The hosts give back what they know.
 */

import type { Version } from 'theseus-actors'
import type { MemoryDatabaseFactory } from 'theseus-actors/memory'
import type { Control } from '../../../core/control/control.js'
import type { Death } from '../../../core/control/upgradeDatabase.js'

/**
 * - `emptied`: everything is gone, without a restart
 * - `restored`: an older backup is put in its place, and it is started anew
 * - `failedOver`: a replica takes over that has not heard of the newest writes
 * - `restarted`: it is started anew, with all its data
 */
export type DatabaseLoss = 'emptied' | 'restored' | 'failedOver' | 'restarted'

/** The authority that is left after a loss. */
export interface SurvivingControls {
  readonly controls: readonly Control[]
  readonly death: Death
  readonly final: Version
}

/** Returns what makes the loss, of all that is written from now on, or before. */
export function losing(factory: MemoryDatabaseFactory, how: DatabaseLoss): () => void {
  switch (how) {
    case 'emptied':
      return () => factory.empty()
    case 'restored': {
      const backup = factory.backup()
      return () => factory.restore(backup)
    }
    case 'failedOver':
      return factory.losingReplica()
    case 'restarted':
      return () => factory.restart()
  }
}

export function lossText(how: DatabaseLoss, sinceMs: number): string {
  switch (how) {
    case 'emptied':
      return `is emptied in ${sinceMs} ms`
    case 'restored':
      return `is put back, in ${sinceMs} ms, to what it is now`
    case 'failedOver':
      return `loses, in ${sinceMs} ms, what is written from now on`
    case 'restarted':
      return `restarts in ${sinceMs} ms`
  }
}
