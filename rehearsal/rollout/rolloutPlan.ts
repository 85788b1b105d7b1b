/**
 * The effects of an upgrade on a running system, out of rehearsals of its rollout: who goes, in which order,
 * when, and how many are away at once; which calls are refused meanwhile, whether there is a way back, and
 * what all of that rests on.
 */

import type { Version } from '../../core/base/ids.js'
import { clientService, type NodeRow } from '../../core/model/nodeRow.js'
import { type LimitedSchedule, limitOf, permitsAllowed, type ServiceLimit } from '../../core/schedules/serviceLimit.js'
import { checkFits, checkNew } from '../../core/upgrade/lineageCheck.js'
import type { ClassUpgradeEntry, Manifest } from '../../core/upgrade/manifest.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'
import { type MeantDifference, meantIn } from './classChange.js'
import { lengthOf, type PromiseFindings, tellStories } from './promiseStories.js'
import { type Refusals, refusalsOf } from './refusals.js'
import type { ChanceSource, NodeOutcome, Obstacle, RehearsedRollout } from './rehearsedRollout.js'
import { type Proposal, tablesOf, versionOf } from './situation.js'
import { SystemRehearsal } from './systemRehearsal.js'
import { warningsOf } from './warnings.js'

export interface RolloutPlan {
  readonly version: Version
  readonly title: string
  readonly seed: number
  /** How many rehearsals there were: one, unless schedules draw lots. */
  readonly runs: number
  /** The part of chance. */
  readonly lots: ChanceSource
  /**
   * Until the last of those who arrive has: in the middle one of the rehearsals, and in the
   * longest. Null: nobody goes.
   */
  readonly duration: { readonly medianMs: number; readonly longestMs: number } | null
  /** The most nodes that are away at once, of all services together, in any rehearsal. */
  readonly mostAway: number
  /** By name, those whose classes it upgrades. */
  readonly services: readonly ServicePlan[]
  /** Affected nodes that don't arrive, those with the same reason together. */
  readonly absent: readonly Absence[]
  readonly refusals: readonly Refusals[]
  /** Methods that answer otherwise on purpose. */
  readonly meant: readonly (MeantDifference & { readonly className: string })[]
  /** Callers that are pinned to a version, by version. */
  readonly callers: readonly PinnedCallers[]
  /** The new classes that have no way back; none: the upgrade can be undone. */
  readonly noWayBack: readonly string[]
  /** Why the health gate would pause it. */
  readonly paused: string | null
  /** Why the rehearsal was ended before its time. */
  readonly gaveUp: string | null
  /** Whether its promises hold; null where it promises nothing. */
  readonly promises: PromiseFindings | null
  readonly assumptions: readonly string[]
  readonly warnings: readonly string[]
}

export interface ServicePlan {
  readonly service: string
  readonly registered: number
  readonly affected: number
  readonly classUpgrades: readonly ClassUpgradeEntry[]
  /** The most of its nodes that are away at once, in any rehearsal. */
  readonly mostAway: number
  /** How many may be, and whose limit that is. */
  readonly limit: { readonly nodes: number; readonly of: string }
  /** Those who go, in their order in the middle one of the rehearsals. */
  readonly goes: readonly { readonly nodeId: string; readonly goesMs: number; readonly arrivesMs: number | null }[]
}

export interface Absence {
  readonly nodes: readonly string[]
  readonly obstacle: Obstacle
}

export interface PinnedCallers {
  readonly version: Version
  readonly clients: readonly string[]
  /** Calls of theirs, as `Class.method`, that upgraded nodes refuse, or may. */
  readonly refused: readonly string[]
}

export interface Chances {
  readonly seed: number
  /** Rehearsals, where schedules draw lots. Left out: five, or three of a large population. */
  readonly runs?: number
  /** Stories that are told for promises, and hosts that fail in each. */
  readonly stories?: number
  readonly failures?: number
}

/** From so many nodes on chance makes less of a difference, and a rehearsal takes seconds. */
const largePopulation = 50_000

function usualRuns({ situation: { rows } }: Proposal): number {
  return rows.length < largePopulation ? 5 : 3
}

/** Throws `upgrade.invalid` if an upgrade server would refuse the upgrade. */
export async function planRollout(proposal: Proposal, chances: Chances): Promise<RolloutPlan> {
  const { situation, draft, upgrades } = proposal
  const { seed, runs = usualRuns(proposal), stories = runs, failures = 0 } = chances
  checkInstallable(proposal)
  const version = versionOf(proposal)
  const upgrade = upgrades.get(version)!
  const rehearsals = [await new SystemRehearsal(proposal, seed).play()]
  while (rehearsals[0]!.lots === 'schedules' && rehearsals.length < runs)
    rehearsals.push(await new SystemRehearsal(proposal, seed + rehearsals.length).play())
  const sorted = rehearsals.toSorted((a, b) => lengthOf(a) - lengthOf(b))
  const middle = sorted[Math.floor((sorted.length - 1) / 2)]!
  const longestMs = lengthOf(sorted.at(-1)!)
  return {
    version,
    title: draft.title,
    seed,
    runs: rehearsals.length,
    lots: rehearsals[0]!.lots,
    duration: longestMs < 0 ? null : { medianMs: lengthOf(middle), longestMs },
    mostAway: Math.max(...rehearsals.map(({ mostAway }) => mostAway())),
    services: servicesOf(proposal, upgrade, middle, rehearsals),
    absent: absencesOf(middle.outcomes),
    refusals: refusalsOf(upgrade.classUpgrades, version),
    meant: upgrade.classUpgrades.flatMap((each) =>
      meantIn(each).map((meant) => ({ className: each.newClass.className, ...meant })),
    ),
    callers: callersOf(situation.rows, upgrade, version),
    noWayBack: draft.classUpgrades.filter(({ inverse }) => !inverse).map(({ newClass }) => newClass),
    paused: middle.paused,
    gaveUp: middle.gaveUp,
    promises: draft.promises === undefined ? null : await tellStories(proposal, { seed, stories, failures }),
    assumptions: assumptionsOf(proposal, middle),
    warnings: warningsOf(proposal),
  }
}

/** The checks of the upgrade server before it installs the upgrade. */
function checkInstallable({ situation: { manifests, rows }, draft }: Proposal): void {
  const candidate = { ...draft, version: manifests.length + 1, undoes: null } as Manifest
  checkNew(manifests, candidate)
  checkFits(manifests, candidate, rows)
}

function servicesOf(
  { situation, draft, assumed }: Proposal,
  upgrade: Upgrade,
  middle: RehearsedRollout,
  all: readonly RehearsedRollout[],
): readonly ServicePlan[] {
  const byService = Map.groupBy(draft.classUpgrades, ({ service }) => service)
  return [...byService]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([service, classUpgrades]) => {
      const registered = situation.rows.filter((row) => row.service === service).length
      const outcomes = middle.outcomes.filter(({ entry }) => entry.service === service)
      const names = new Set(classUpgrades.map(({ oldClass }) => oldClass))
      const limits = upgrade.classUpgrades
        .filter(({ oldClass }) => names.has(oldClass.className))
        .map(({ schedule }) => ({ of: schedule.describe, schedule }))
      return {
        service,
        registered,
        affected: outcomes.length,
        classUpgrades,
        mostAway: Math.max(...all.map((each) => each.mostAway(service))),
        limit: loosestLimit(assumed.limit, limits, registered),
        goes: outcomes.flatMap(goingOf).toSorted((a, b) => a.goesMs - b.goesMs || (a.nodeId < b.nodeId ? -1 : 1)),
      }
    })
}

function goingOf({ nodeId, goesMs, arrivesMs }: NodeOutcome): ServicePlan['goes'] {
  return goesMs === null ? [] : [{ nodeId, goesMs, arrivesMs }]
}

/** The hosts' limit and the schedule's both hold, unless the schedule takes all. */
function loosestLimit(
  ofHosts: ServiceLimit,
  schedules: readonly { readonly of: string; readonly schedule: LimitedSchedule }[],
  registered: number,
): ServicePlan['limit'] {
  const allowed = (schedule: LimitedSchedule) => permitsAllowed(limitOf(ofHosts, schedule), registered)
  const hosts = { nodes: permitsAllowed(ofHosts, registered), of: 'hosts' }
  // Of several class upgrades of a service, the loosest: nodes of its class may go up to it.
  const loosest = schedules.map(({ of, schedule }) => ({ nodes: allowed(schedule), of })).toSorted((a, b) => b.nodes - a.nodes)[0]
  return loosest === undefined || loosest.nodes === hosts.nodes ? hosts : loosest
}

function absencesOf(outcomes: readonly NodeOutcome[]): readonly Absence[] {
  const absent = outcomes.filter((outcome) => outcome.obstacle !== null)
  const keys = new Map<Obstacle, string>()
  const keyOf = (obstacle: Obstacle) => {
    const key = keys.get(obstacle) ?? JSON.stringify(obstacle)
    keys.set(obstacle, key)
    return key
  }
  const groups = Map.groupBy(absent, ({ obstacle }) => keyOf(obstacle!))
  return [...groups.values()]
    .map((group) => ({ nodes: group.map(({ nodeId }) => nodeId), obstacle: group[0]!.obstacle! }))
    .toSorted((a, b) => b.nodes.length - a.nodes.length)
}

/**
 * A call of theirs to an upgraded node goes through its past-SO, and through those of versions between, which
 * may delegate or not.
 */
function callersOf(rows: readonly NodeRow[], upgrade: Upgrade, version: Version): readonly PinnedCallers[] {
  const pins = rows.filter((row) => row.service === clientService && row.version < version)
  const refused = refusalsOf(upgrade.classUpgrades, version)
    .filter(({ role }) => role === 'pastSO')
    .flatMap(({ simulates, refused, mayRefuse, cut }) =>
      [...refused, ...mayRefuse, ...cut].map((method) => `${simulates}.${method}`),
    )
  return [...Map.groupBy(pins, (row) => row.version)]
    .toSorted(([a], [b]) => b - a)
    .map(([pinned, clients]) => ({ version: pinned, clients: clients.map(({ nodeId }) => nodeId), refused }))
}

function assumptionsOf(proposal: Proposal, { asked }: RehearsedRollout): readonly string[] {
  const { draft, assumed } = proposal
  const tables = [...asked].flatMap((what) => (what.startsWith('table ') ? [what.slice('table '.length)] : []))
  const entries = (name: string) => tablesOf(proposal).get(name)?.size ?? 0
  const some = (holds: boolean, text: string) => (holds ? [text] : [])
  return [
    `a node drains for ${assumed.drainMs} ms and is away for ${assumed.transformMs} ms more (--drain, --transform)`,
    `hosts let at most ${limitText(assumed.limit)} of a service's nodes be away at once (--limit)`,
    'nodes learn of the version at once; none joins, leaves or dies, and nobody gives orders',
    ...some(asked.has('calls'), 'nobody calls the nodes, for schedules that ask how many calls they answer'),
    ...some(asked.has('memory'), 'the classes of the nodes offer nothing of their memory (observe())'),
    ...some(asked.has('contacts'), 'a node has called all nodes of the services that its class declares to call'),
    ...some(asked.has('state'), 'every node has the state of a new one, for schedules that look at it'),
    ...tables.map((name) => `table ${name} stays as it is, with ${entries(name)} entries`),
    ...some(
      draft.classUpgrades.some(({ only }) => only?.facts !== undefined),
      'every node has the facts that "only" asks for: no database tells which do',
    ),
  ]
}

function limitText({ nodes, percent }: ServiceLimit): string {
  const parts = [...(nodes === undefined ? [] : [`${nodes}`]), ...(percent === undefined ? [] : [`${percent}%`])]
  return parts.length === 0 ? 'all' : parts.join(' and ')
}
