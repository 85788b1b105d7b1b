/**
 * The state of a rollout, out of the rows, the controls and the history. Pure.
 *
 * R3. It is *paused* when a version is paused that a node which is not there has yet to pass. A version that
 *     takes another one back is never paused. Nodes pass over one that is undone, so its pause holds nobody.
 * R4. A version is *undone* when another that stands undoes it: an undo of the undo makes it stand again.
 */

import type { NodeRow, Version } from 'theseus-actors'
import {
  type Control,
  type Manifest,
  mayBeAsleep,
  type PaceChange,
  type Promotion,
  paceChangeOf,
  promotionOf,
  stageOf,
  takesBack,
  undoesIn,
  undoneBy,
} from 'theseus-actors/operator'
import { type PromiseState, promiseStates } from './promiseState.js'
import { hasArrived, isPartOfRollout, type Rollout, summarize } from './rolloutSummary.js'

export type Pause = Extract<Control, { kind: 'pause' }>

export interface RolloutState extends Omit<Rollout, 'state'> {
  /** The worst of what is so: `undone` and `degraded` come before `paused`. */
  readonly state: Rollout['state'] | 'paused' | 'undone'
  /** The pauses that hold nodes back, the oldest version first. */
  readonly paused: readonly Pause[]
  /** The orders about the goal's pace that are in force; null: none. */
  readonly promotion: Promotion | null
  readonly pace: PaceChange | null
  /** The version that undoes the goal, if it stands. */
  readonly undoneBy: Version | null
  /** Those of the goal. */
  readonly promises: readonly PromiseState[]
  /** Whether nothing changes any more until somebody does something. */
  readonly isAtRest: boolean
}

export interface RolloutFacts {
  readonly newest: Version
  readonly rows: readonly NodeRow[]
  readonly controls: readonly Control[]
  /** Of all versions. */
  readonly manifests: readonly Manifest[]
  /** Milliseconds since 1970. */
  readonly nowMs?: number
}

export function rolloutStateOf({ newest, rows, controls, manifests, nowMs = 0 }: RolloutFacts, goal: Version): RolloutState {
  const rollout = summarize(rows, newest, goal)
  const coming = rows.filter((row) => isPartOfRollout(row) && !hasArrived(row, goal))

  const isBack = (version: Version) => takesBack(undoesIn(manifests), version)
  const isPassedOver = (version: Version) => (undoOf(version, manifests) ?? goal + 1) <= goal
  const pauses = controls.filter((control): control is Pause => control.kind === 'pause')
  const paused = pauses
    .filter(
      ({ version }) =>
        version <= goal && !isBack(version) && !isPassedOver(version) && coming.some((row) => row.version < version),
    )
    .sort((a, b) => a.version - b.version)
  const by = undoOf(goal, manifests)
  const isPaused = rollout.state === 'moving' && paused.length > 0
  const isHeldBack = (row: NodeRow): boolean =>
    (!row.alive && !mayBeAsleep(row)) || (!isUnderWay(row, controls) && paused.some(({ version }) => version === row.version + 1))
  const isAtRest = (): boolean => {
    switch (rollout.state) {
      case 'empty':
        return false
      case 'moving':
        return isPaused && coming.every(isHeldBack)
      case 'done':
      case 'degraded':
        return true
    }
  }
  return {
    ...rollout,
    state: by === null ? (isPaused ? 'paused' : rollout.state) : 'undone',
    paused,
    promotion: promotionOf(controls, goal) ?? null,
    pace: paceChangeOf(controls, goal) ?? null,
    undoneBy: by,
    promises: by === null ? promiseStates(manifests, goal, rows, nowMs) : [],
    isAtRest: by !== null || isAtRest(),
  }
}

/** R4. */
export function undoOf(version: Version, manifests: readonly Manifest[]): Version | null {
  return undoneBy(manifests, version)
}

/** It has its permit, or an order to go: a pause does not hold it. */
function isUnderWay({ nodeId, version, phase }: NodeRow, controls: readonly Control[]): boolean {
  if (stageOf(phase) === 'changing') return true
  return controls.some((control) => control.kind === 'now' && control.nodeId === nodeId && control.version === version + 1)
}
