/**
 * A running system as its upgrade database tells of it, and what is tried on it. Plain data:
 * nothing here asks anybody.
 */

import type { Version } from '../../core/base/ids.js'
import type { Control } from '../../core/control/control.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import type { ServiceLimit } from '../../core/schedules/serviceLimit.js'
import type { Manifest, ManifestDraft } from '../../core/upgrade/manifest.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'

export interface Situation {
  /** Registered nodes and pinned callers, by node id. */
  readonly rows: readonly NodeRow[]
  readonly controls: readonly Control[]
  /** The upgrade-specific tables by name. */
  readonly tables: ReadonlyMap<string, ReadonlyMap<string, string>>
  /** Of versions 1, 2, … */
  readonly manifests: readonly Manifest[]
  /** Versions older than this one are dead. */
  readonly dead: Version
  /** Milliseconds since 1970. */
  readonly nowMs: number
}

/** The subject of a rehearsal: an upgrade as the next version of a system. */
export interface Proposal {
  readonly situation: Situation
  readonly draft: ManifestDraft
  /**
   * The upgrade itself, and those installed ones that nodes which are behind have yet to go
   * through, by version.
   */
  readonly upgrades: ReadonlyMap<Version, Upgrade>
  readonly assumed: Assumptions
}

/** The figures that no database has. */
export interface Assumptions {
  /** How long a node drains: its running call, and `stop()`. */
  readonly drainMs: number
  /** How long it is away after that: its transform, `selfCheck()`, `start()`. */
  readonly transformMs: number
  /** How many nodes of a service may be away at once, as the hosts' settings have it. */
  readonly limit: ServiceLimit
  /** After so much virtual time who has not come is taken not to come. */
  readonly withinMs: number
}

/** The version that the upgrade would be. */
export function versionOf({ situation }: Pick<Proposal, 'situation'>): Version {
  return situation.manifests.length + 1
}

/** The tables as they are once the upgrade is installed. */
export function tablesOf({ situation, draft }: Proposal): Situation['tables'] {
  const tables = new Map(situation.tables)
  for (const [name, entries] of Object.entries(draft.tables))
    tables.set(name, new Map([...(tables.get(name) ?? []), ...Object.entries(entries)]))
  return tables
}
