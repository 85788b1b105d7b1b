/** How far nodes can be rewound (§8), out of their rows and the upgrade that would be rewound. Pure. */
import type { NodeRow, Version } from 'theseus-actors'
import type { Manifest } from 'theseus-actors/operator'
import { age, count } from '../output/output.js'

/** Of the nodes of one service, at one version. */
export interface Rewindable {
  readonly version: Version
  /** Nodes that have recorded all since their flip. */
  readonly nodes: number
  /** Nodes at this version whose recording has ended. */
  readonly ended: number
  /** Milliseconds since 1970: when the first and the last of the recordings ends. Null where none goes on. */
  readonly untilMs: number | null
  readonly lastMs: number | null
}

/** Null where none of the nodes at that version keeps anything, or has kept. */
export function rewindableOf(rows: readonly NodeRow[], version: Version): Rewindable | null {
  const kept = rows.flatMap((row) => (row.version === version && row.rewind !== undefined ? [row.rewind] : []))
  if (kept.length === 0) return null
  const untils = kept.flatMap((rewind) => ('untilMs' in rewind ? [rewind.untilMs] : []))
  return {
    version,
    nodes: untils.length,
    ended: kept.length - untils.length,
    untilMs: untils.length === 0 ? null : untils.reduce((first, each) => Math.min(first, each)),
    lastMs: untils.length === 0 ? null : untils.reduce((last, each) => Math.max(last, each)),
  }
}

/** "version 1 can be rewound until 2026-12-01T18:00:00Z, 23h59m from now: 3 nodes of 4". */
export function rewindableText({ version, nodes, ended, untilMs, lastMs }: Rewindable, now: number): string {
  if (untilMs === null || lastMs === null || lastMs <= now) return `version ${version} can't be rewound any more`
  const of = ended === 0 ? '' : `, ${ended} not any more`
  const later = lastMs - untilMs < 1000 ? '' : `, the last node until ${instant(lastMs)}`
  const until = untilMs <= now ? 'now' : `until ${instant(untilMs)}, ${age(untilMs - now)} from now${later}`
  return `version ${version} can be rewound ${until}: ${count(nodes, 'node')}${of}`
}

export function rewindableJson(rewindable: Rewindable | null) {
  if (rewindable === null) return null
  const { untilMs, lastMs, ...rest } = rewindable
  return { ...rest, until: untilMs === null ? null : instant(untilMs), last: lastMs === null ? null : instant(lastMs) }
}

/** One node's, in a clause. */
export function rewindText(rewind: NonNullable<NodeRow['rewind']>, now: number): string {
  if ('ended' in rewind) return `not any more: ${rewind.ended}`
  const { untilMs } = rewind
  return untilMs <= now ? 'not any more: its time is over' : `until ${instant(untilMs)}, ${age(untilMs - now)} from now`
}

/** How one node would go back. */
export type RewindOutcome =
  | { readonly by: 'recording'; readonly row: NodeRow; readonly untilMs: number }
  /** It has no whole recording, and why. */
  | { readonly by: 'inverse' | 'nothing'; readonly row: NodeRow; readonly why: string }

export function rewindOutcome(row: NodeRow, { classUpgrades }: Pick<Manifest, 'classUpgrades'>, now: number): RewindOutcome {
  const ofService = classUpgrades.filter(({ service }) => service === row.service)
  const entry = ofService.find(({ newClass }) => newClass === row.className) ?? ofService[0]
  const { rewind } = row
  if (rewind !== undefined && 'untilMs' in rewind && rewind.untilMs > now)
    return { by: 'recording', row, untilMs: rewind.untilMs }
  const why = () => {
    if (entry?.rewind === undefined) return 'its class upgrade says no "rewind"'
    if (rewind === undefined) return 'it has not passed this flip, or its release records nothing'
    return 'ended' in rewind ? rewind.ended : 'the time that the upgrade gives for a rewind is over'
  }
  return { by: entry?.inverse === true ? 'inverse' : 'nothing', row, why: why() }
}

function instant(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}
