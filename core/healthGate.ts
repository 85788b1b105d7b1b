/**
 * Health gates: whether a rollout goes well, by what its nodes tell the upgrade database. This is the judge alone; what is done about a
 * verdict (the rollout is paused) is somebody else's, so that a judge can be tried first without consequences.
 *
 * G1. A node that is stalled or rejected on its way to the version, or has failed.
 * G2. A node that went away for its upgrade and is not heard of any more.
 * G3. Upgraded nodes whose methods throw more often than those of the others of their service, by more than the upgrade allows.
 */
import type { GateLimits } from './gateLimits.js'
import type { Version } from './ids.js'
import { notServing } from './phases.js'
import { clientService, type NodeRow } from './ports/upgradeDatabase.js'

export interface Trouble {
  /** The same trouble has the same key, however often it is looked at. */
  readonly key: string
  readonly what: string
}

export function judge(rows: readonly NodeRow[], version: Version, limits: GateLimits): readonly Trouble[] {
  const nodes = rows.filter(({ service }) => service !== clientService)
  return [...nodes.flatMap((row) => troubleOf(row, version) ?? []), ...failureRates(nodes, version, limits)]
}

function troubleOf(row: NodeRow, version: Version): Trouble | undefined {
  const { nodeId, phase, reason, since, alive } = row
  const key = `${nodeId} ${phase} ${since}`
  if (row.target === version && (phase === 'stalled' || phase === 'rejected'))
    return { key, what: `node ${nodeId} is ${phase}: ${reason}` }
  // Only of a node that is on its way, or has just arrived, is it this rollout's affair.
  if (phase === 'failed' && row.version >= version) return { key, what: `node ${nodeId} has failed: ${reason}` }
  if (!alive && row.target === version && notServing.has(phase))
    return { key, what: `node ${nodeId} was ${phase} when it was last heard of` }
  return undefined
}

interface Tally {
  ended: number
  threw: number
}

function failureRates(rows: readonly NodeRow[], version: Version, { moreFailuresMax, callsMin }: GateLimits): readonly Trouble[] {
  const services = new Map<string, { readonly upgraded: Tally; readonly others: Tally }>()
  for (const row of rows) {
    if (row.figures === undefined || notServing.has(row.phase)) continue
    let tallies = services.get(row.service)
    if (tallies === undefined) {
      tallies = { upgraded: { ended: 0, threw: 0 }, others: { ended: 0, threw: 0 } }
      services.set(row.service, tallies)
    }
    const tally = row.version >= version ? tallies.upgraded : tallies.others
    tally.ended += row.figures.ended
    tally.threw += row.figures.threw
  }
  const troubles: Trouble[] = []
  for (const [service, { upgraded, others }] of services) {
    if (upgraded.ended < callsMin || upgraded.threw === 0) continue
    const [now, before] = [shareOf(upgraded), shareOf(others)]
    if (now - before <= moreFailuresMax) continue
    const what = `of the calls to upgraded nodes of ${service} ${percent(now)} throw, of those to the others ${percent(before)}`
    troubles.push({ key: `${service} failures`, what })
  }
  return troubles
}

function shareOf({ ended, threw }: Tally): number {
  return ended === 0 ? 0 : threw / ended
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
