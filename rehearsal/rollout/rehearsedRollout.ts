/** The findings of one rehearsal of a rollout. */

import type { Version } from '../../core/base/ids.js'
import type { Phase } from '../../core/base/phases.js'
import type { Control } from '../../core/control/control.js'
import type { ClassUpgradeEntry } from '../../core/upgrade/manifest.js'
import type { AssumedAnswer } from './rehearsedView.js'

/** Why a node does not come. */
export type Obstacle =
  | { readonly kind: 'host'; readonly hostId: string }
  | { readonly kind: 'trouble'; readonly phase: Phase; readonly reason: string | null }
  | { readonly kind: 'schedule'; readonly version: Version; readonly schedule: string }
  /** Other members of its group have not signalled. */
  | { readonly kind: 'group'; readonly version: Version; readonly waitsFor: readonly string[] }
  | { readonly kind: 'slot'; readonly version: Version; readonly heldBy: readonly string[] }
  | { readonly kind: 'control'; readonly version: Version; readonly control: Control }
  /** Its schedule threw, in this rehearsal. */
  | { readonly kind: 'threw'; readonly version: Version; readonly reason: string }
  | { readonly kind: 'notLoaded'; readonly version: Version }

/** How an affected node fared. Times are milliseconds since the upgrade was installed. */
export interface NodeOutcome {
  readonly nodeId: string
  readonly entry: ClassUpgradeEntry
  readonly goesMs: number | null
  readonly arrivesMs: number | null
  /** Null for who has arrived. */
  readonly obstacle: Obstacle | null
}

/** The part of chance: nothing, which of several nodes got a slot, or also the doings of schedules. */
export type ChanceSource = 'none' | 'slots' | 'schedules'

/** How much a rehearsal had to do: what must not grow faster than the nodes do. */
export interface RehearsalWork {
  /** Moments at which something happened. */
  readonly events: number
  /** Looks of schedules that wait for other nodes. */
  readonly looks: number
  /** Rows that were gone through to list nodes or to put them in order. */
  readonly rows: number
}

export interface RehearsedRollout {
  readonly outcomes: readonly NodeOutcome[]
  /** The most nodes of a service that were away at once; of all together without one. */
  readonly mostAway: (service?: string) => number
  readonly work: RehearsalWork
  readonly lots: ChanceSource
  readonly asked: ReadonlySet<AssumedAnswer>
  /** The reason why the health gate paused it. */
  readonly paused: string | null
  /** Why it was ended before its time. */
  readonly gaveUp: string | null
}
