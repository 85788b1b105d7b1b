/**
 * Health gates: whether a rollout goes well, by what its nodes tell the upgrade database. This is the judge
 * alone; what is done about a verdict (the rollout is paused) is somebody else's, so that a judge can be
 * tried first without consequences.
 *
 * G1. A node that is stalled or rejected on its way to the version, or has failed.
 * G2. A node that went away for its upgrade and is not heard of any more.
 * G3. Upgraded nodes whose methods throw more often than those of the others of their service, by more than
 *     the upgrade allows.
 * G4. Upgraded nodes whose methods take longer than those of the others of their service, by
 *     more than the upgrade allows.
 * G5. A node that has upgraded, and can't make a record of its new state of the old one (§8).
 */

import type { Version } from '../base/ids.js'
import { notServing } from '../base/phases.js'
import { clientService, type NodeRow } from '../model/nodeRow.js'
import { type GateLimits, slowerMsMin } from './gateLimits.js'

export interface Trouble {
  /** The same trouble has the same key, however often it is looked at. */
  readonly key: string
  readonly what: string
}

export function judge(rows: readonly NodeRow[], version: Version, limits: GateLimits): readonly Trouble[] {
  const nodes = rows.filter(({ service }) => service !== clientService)
  return [...nodes.flatMap((row) => troubleOf(row, version) ?? []), ...worseServices(nodes, version, limits)]
}

function troubleOf(row: NodeRow, version: Version): Trouble | undefined {
  const { nodeId, phase, reason, since, alive } = row
  const key = `${nodeId} ${phase} ${since}`
  if (row.target === version && (phase === 'stalled' || phase === 'rejected'))
    return { key, what: `node ${nodeId} is ${phase}: ${reason}` }
  if (phase === 'current' && row.version === version && reason !== null) return { key, what: `node ${nodeId}: ${reason}` }
  // Only of a node that is on its way, or has just arrived, is it this rollout's affair.
  if (phase === 'failed' && row.version >= version) return { key, what: `node ${nodeId} has failed: ${reason}` }
  if (!alive && row.target === version && notServing.has(phase))
    return { key, what: `node ${nodeId} was ${phase} when it was last heard of` }
  return undefined
}

/** The figures of several nodes together. */
interface Tally {
  ended: number
  threw: number
  timed: number
  tookMs: number
}

interface Compared {
  readonly upgraded: Tally
  readonly others: Tally
}

function worseServices(rows: readonly NodeRow[], version: Version, limits: GateLimits): readonly Trouble[] {
  const troubles: Trouble[] = []
  for (const [service, compared] of byService(rows, version)) {
    if (compared.upgraded.ended < limits.callsMin) continue
    const failures = moreFailures(service, compared, limits)
    if (failures !== undefined) troubles.push({ key: `${service} failures`, what: failures })
    const time = slower(service, compared, limits)
    if (time !== undefined) troubles.push({ key: `${service} time`, what: time })
  }
  return troubles
}

function byService(rows: readonly NodeRow[], version: Version): ReadonlyMap<string, Compared> {
  const services = new Map<string, Compared>()
  for (const { service, version: runs, phase, figures } of rows) {
    if (figures === undefined || notServing.has(phase)) continue
    let compared = services.get(service)
    if (compared === undefined) services.set(service, (compared = { upgraded: newTally(), others: newTally() }))
    const tally = runs >= version ? compared.upgraded : compared.others
    tally.ended += figures.ended
    tally.threw += figures.threw
    tally.timed += figures.timed
    tally.tookMs += figures.tookMs
  }
  return services
}

function newTally(): Tally {
  return { ended: 0, threw: 0, timed: 0, tookMs: 0 }
}

/** Where there are no others, every call that throws is one more. */
function moreFailures(service: string, { upgraded, others }: Compared, { moreFailuresMax }: GateLimits): string | undefined {
  const [now, before] = [ratio(upgraded.threw, upgraded.ended), ratio(others.threw, others.ended)]
  if (upgraded.threw === 0 || now - before <= moreFailuresMax) return undefined
  return `of the calls to upgraded nodes of ${service} ${percent(now)} throw, of those to the others ${percent(before)}`
}

/** How long a call takes can only be compared. */
function slower(service: string, { upgraded, others }: Compared, { slowerMax, callsMin }: GateLimits): string | undefined {
  if (others.ended < callsMin) return undefined
  const [now, before] = [ratio(upgraded.tookMs, upgraded.timed), ratio(others.tookMs, others.timed)]
  if (now - before < slowerMsMin || now <= before * slowerMax) return undefined
  return `a call to an upgraded node of ${service} takes ${now.toFixed(1)} ms on average, one to the others ${before.toFixed(1)} ms`
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
