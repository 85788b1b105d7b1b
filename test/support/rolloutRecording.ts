/**
 * A rollout that never was, as `natsctl inspect --record` would have written it: so many nodes, one upgrade
 * after another, one of them with nodes in trouble. The statecharts' events are real: the chart is run for a
 * few nodes with effects that take no time.
 */
import { createActor, fromPromise } from 'xstate'
import type { Seen, StatechartSeen } from '../../core/inspection/inspection.js'
import { upgradeStatechartDescription } from '../../core/upgrade/statechartDescription.js'
import { actorEvent, statechartEvent } from '../../core/upgrade/statechartEvent.js'
import { type UpgradeInput, upgradeStatechart } from '../../core/upgrade/upgradeStatechart.js'
import type { Phase } from '../../index.js'
import type { RecordingEntry, RecordingHeader } from '../../natsctl/inspect/recordingEntry.js'
import { seededRandom } from '../../transports/seededRandom.js'

const startedAt = Date.UTC(2026, 0, 5, 9, 0, 0)
const titles = ['Readers can comment on a page', 'Comments can be liked', 'Pages keep their history']
const path: readonly (readonly [Phase, number])[] = [
  ['fetching', 40],
  ['verifying', 25],
  ['scheduled', 0],
  ['draining', 120],
  ['transforming', 900],
  ['checking', 60],
  ['flipping', 8],
  ['recovering', 150],
  ['current', 0],
]

export interface RolloutOptions {
  readonly nodes: number
  readonly upgrades?: number
  /** The rollout of the last upgrade is cut off at this share. */
  readonly until?: number
  /** Every so many nodes one is stalled in the last upgrade. */
  readonly stalledEvery?: number
}

export function header(system = 'shop'): RecordingHeader {
  return { format: 'theseus-inspection/1', system, startedAt, statechart: upgradeStatechartDescription }
}

/** All entries, oldest first. */
export async function rollout({ nodes, upgrades = 2, until = 1, stalledEvery = 0 }: RolloutOptions): Promise<RecordingEntry[]> {
  const random = seededRandom(7)
  const entries: RecordingEntry[] = []
  const waves = 60_000
  let n = 0
  for (let v = 1; v <= upgrades; v++) {
    const classUpgrades = [
      { service: 'pages', oldClass: `Pages.v${v}`, newClass: `Pages.v${v + 1}`, schedule: 'gradually, every 10 s' },
    ]
    const title = titles[(v - 1) % titles.length]!
    entries.push({ type: 'version', at: startedAt + (v - 1) * waves, version: v, title, classUpgrades })
  }
  const end = startedAt + (upgrades - 1 + until) * waves
  for (let i = 0; i < nodes; i++) {
    const nodeId = `p${i + 1}`
    let version = 0
    let last: Phase = 'current'
    let reason: string | null = null
    const phase = (at: number, to: Phase, target: number | null, why: string | null = null) => {
      if (at > end) return false
      entries.push({ type: 'phase', at, n: ++n, nodeId, phase: to, target, reason: why })
      last = to
      reason = why
      return true
    }
    entries.push(node(nodeId, i, startedAt, 'current', 0, 0, []))
    for (let v = 1; v <= upgrades; v++) {
      let at = startedAt + (v - 1) * waves + 200 + random.next() * 300
      const isStalled = v === upgrades && stalledEvery > 0 && i % stalledEvery === stalledEvery - 1
      for (const [to, ms] of path) {
        if (to === 'current') version = at <= end ? v : version
        if (isStalled && to === 'checking') {
          phase(at, 'stalled', v, 'the transform threw: a page has no title')
          break
        }
        if (
          !phase(
            at,
            to,
            to === 'current' ? null : v,
            to === 'scheduled' && i % 5 === 0 ? 'waits for a permit under the limit of pages, held by p3, p9' : null,
          )
        )
          break
        at += to === 'scheduled' ? (i / nodes) * 45_000 + random.next() * 4_000 : ms * (0.6 + random.next())
      }
    }
    const calls: [number, number][] = Array.from({ length: upgrades + 1 }, (_, v) => [
      v,
      Math.floor(random.next() * 4_000 * (v + 1)),
    ])
    entries.push(
      node(nodeId, i, end, last, version, last === 'current' ? version : Math.min(upgrades, version + 1), calls, reason),
    )
    if (i < 3) entries.push(...(await statechart(nodeId, upgrades, startedAt + (upgrades - 1) * waves + 300)))
  }
  return entries.sort((a, b) => a.at - b.at)
}

function node(
  nodeId: string,
  index: number,
  at: number,
  phase: Phase,
  version: number,
  newest: number,
  calls: readonly [number, number][],
  reason: string | null = null,
): Seen {
  const role = (v: number) => (v < version ? 'pastSO' : v === version ? 'object' : 'futureSO')
  return {
    type: 'node',
    at,
    nodeId,
    hostId: `h${(index % 8) + 1}`,
    service: 'pages',
    className: `Pages.v${version + 1}`,
    version,
    phase,
    target: phase === 'current' ? null : version + 1,
    reason,
    chain: Array.from({ length: newest + 1 }, (_, v) => ({ version: v, className: `Pages.v${v + 1}`, role: role(v) })),
    calls,
  }
}

/**
 * The events of one upgrade manager's statechart, from the beginning to the end, with a drain
 * that comes too late once.
 */
export async function statechart(nodeId: string, target: number, at: number): Promise<StatechartSeen[]> {
  const seen: StatechartSeen[] = []
  let drains = 0
  const done = fromPromise<void, any>(async () => {})
  const actors = Object.fromEntries(
    [
      'fetch',
      'schedule',
      'claim',
      'transform',
      'check',
      'flip',
      'recover',
      'advance',
      'skip',
      'awaitRetry',
      'returnToOld',
      'flipBack',
    ].map((name) => [name, done]),
  )
  const drain = fromPromise<void, any>(async () => {
    if (drains++ === 0) throw new Error('the running call did not finish in 5000 ms')
  })
  const machine = upgradeStatechart.provide({
    actors: { ...actors, drain, verify: fromPromise(async () => ({ concerned: true })) } as any,
    delays: { drainPause: () => 1 },
  })
  const input: UpgradeInput = { target, resume: 'beginning', reason: null, startsFailed: 0 }
  const actor = createActor(machine, { input })
  const add = (event: StatechartSeen['event'] | undefined) => {
    if (event !== undefined)
      seen.push({ type: 'statechart', at: at + seen.length * 17, nodeId, target, run: at, manager: actor.sessionId, event })
  }
  add(actorEvent(actor))
  actor.system.inspect((event) => add(statechartEvent(event)))
  await new Promise<void>((resolve) => {
    actor.subscribe({ complete: resolve })
    actor.start()
  })
  return seen
}
