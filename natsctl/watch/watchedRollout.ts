/**
 * A rollout at one moment, as the screen shows it: out of the rows, the controls and the history of the
 * upgrade database. Pure.
 */

import type { NodeRow, Version } from 'theseus-actors'
import { type Control, type Manifest, mayBeAsleep, notServing } from 'theseus-actors/operator'
import { byName } from '../output/naturalOrder.js'
import { hasArrived, isPartOfRollout, isTroubled, type Rollout, summarize } from '../rollout/rolloutSummary.js'
import type { KnownRollout } from '../rollout/waitReason.js'
import { remainingMs } from './remainingTime.js'
import { type Steps, stepsOf } from './steps.js'

export interface WatchedRollout {
  readonly system: string
  readonly rollout: Rollout
  /** A node that somebody must look at comes first, an arrived one last; by node id in between. */
  readonly rows: readonly NodeRow[]
  readonly known: KnownRollout
  /** By service. */
  readonly underWay: ReadonlyMap<string, ServiceProgress>
  readonly standing: RolloutStatus
  readonly toGoMs: number | undefined
  readonly schedules: readonly ServiceSchedule[]
  /** When the database was asked. */
  readonly at: number
}

/** A rollout that is paused, and in trouble as well, is both. */
export interface RolloutStatus {
  readonly state: 'empty' | 'done' | 'moving' | 'degraded'
  readonly isPaused: boolean
  /** Since when; undefined where nobody knows. */
  readonly since: number | undefined
}

/** How many nodes of a service are on their way, and how many do not serve. */
export interface ServiceProgress {
  moving: number
  notServing: number
}

/** How nodes of a service go to the version that everybody is to reach. */
export interface ServiceSchedule {
  readonly service: string
  readonly schedule: string
  readonly steps: Steps | undefined
}

export type NodeGroup = 'trouble' | 'away' | 'moving' | 'waiting' | 'there'
const groups: readonly NodeGroup[] = ['trouble', 'away', 'moving', 'waiting', 'there']

export function watchedRolloutOf(system: string, all: readonly NodeRow[], known: KnownRollout, at: number): WatchedRollout {
  const goal = known.newest
  const rows = all.filter(isPartOfRollout).sort(byName(({ nodeId }) => nodeId))
  const rollout = summarize(rows, goal, goal)
  const manifest = known.manifests[goal - 1]
  const byGroup = Map.groupBy(rows, (row) => groupOf(row, goal))
  const schedules = (manifest?.classUpgrades ?? []).map(({ service, schedule }) => ({
    service,
    schedule,
    steps: stepsOf(
      schedule,
      rows.filter((row) => row.service === service),
      goal,
      at,
    ),
  }))
  return {
    system,
    rollout,
    rows: groups.flatMap((group) => byGroup.get(group) ?? []),
    known,
    underWay: underWayOf(rows, goal),
    standing: standingOf(rows, rollout, manifest, known.controls),
    toGoMs: toGo(rows, known, schedules, at),
    schedules,
    at,
  }
}

export function groupOf(row: NodeRow, goal: Version): NodeGroup {
  if (isTroubled(row, goal)) return 'trouble'
  if (hasArrived(row, goal)) return 'there'
  if (!row.alive && !mayBeAsleep(row)) return 'away'
  return row.phase === 'current' || row.phase === 'scheduled' ? 'waiting' : 'moving'
}

function underWayOf(rows: readonly NodeRow[], goal: Version): ReadonlyMap<string, ServiceProgress> {
  const services = new Map<string, ServiceProgress>()
  for (const row of rows) {
    let counts = services.get(row.service)
    if (counts === undefined) services.set(row.service, (counts = { moving: 0, notServing: 0 }))
    if (groupOf(row, goal) === 'moving') counts.moving++
    if (notServing.has(row.phase)) counts.notServing++
  }
  return services
}

export function pauseOf({ newest, controls }: KnownRollout): Extract<Control, { kind: 'pause' }> | undefined {
  return controls.find((control) => control.kind === 'pause' && control.version === newest) as ReturnType<typeof pauseOf>
}

export function holdsOf({ controls }: KnownRollout): readonly Extract<Control, { kind: 'hold' }>[] {
  return controls.filter((control) => control.kind === 'hold')
}

function standingOf(
  rows: readonly NodeRow[],
  { state, goal }: Rollout,
  manifest: Manifest | undefined,
  controls: readonly Control[],
): RolloutStatus {
  const pause = pauseOf({ newest: goal, manifests: [], controls })
  const isPaused = pause !== undefined && state !== 'done'
  switch (state) {
    case 'empty':
      return { state, isPaused, since: publishedAt(manifest) }
    case 'done':
      return { state, isPaused, since: latest(rows.filter(({ version }) => version === goal)) }
    case 'degraded':
      return { state, isPaused, since: earliest(rows.filter((row) => isTroubled(row, goal))) }
    case 'moving':
      return { state, isPaused, since: pause?.since ?? publishedAt(manifest) }
  }
}

/** Nobody knows how long steps and windows take that are still to come, nor when somebody ends a pause. */
function toGo(
  rows: readonly NodeRow[],
  known: KnownRollout,
  schedules: readonly ServiceSchedule[],
  now: number,
): number | undefined {
  const goal = known.newest
  const beganAt = publishedAt(known.manifests[goal - 1])
  if (beganAt === undefined || pauseOf(known) !== undefined) return undefined
  if (schedules.some(({ schedule, steps }) => schedule.includes('within(') || isBeforeLast(steps))) return undefined
  const held = new Set(holdsOf(known).map(({ nodeId }) => nodeId))
  const services = new Set(schedules.map(({ service }) => service))
  const concerned = rows.filter(({ service }) => services.has(service))
  const toCome = concerned.filter((row) => {
    const group = groupOf(row, goal)
    return (group === 'moving' || group === 'waiting') && !held.has(row.nodeId)
  })
  const at = concerned.filter((row) => hasArrived(row, goal) && row.since >= beganAt).map(({ since }) => since)
  return remainingMs({ at, beganAt, toCome: toCome.length }, now)
}

function isBeforeLast(steps: Steps | undefined): boolean {
  return steps !== undefined && steps.current < steps.steps.length - 1
}

function publishedAt(manifest: Manifest | undefined): number | undefined {
  const at = manifest === undefined ? Number.NaN : Date.parse(manifest.createdAt)
  return Number.isNaN(at) ? undefined : at
}

function latest(rows: readonly NodeRow[]): number | undefined {
  return rows.length === 0 ? undefined : rows.reduce((at, { since }) => Math.max(at, since), 0)
}

function earliest(rows: readonly NodeRow[]): number | undefined {
  return rows.length === 0 ? undefined : rows.reduce((at, { since }) => Math.min(at, since), Number.POSITIVE_INFINITY)
}
