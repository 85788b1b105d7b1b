/**
 * Which upgrades a node has before it, from the version that it is at to the proposed one, by the manifests
 * alone; as the runtime asks (§3).
 */

import type { Version } from '../../core/base/ids.js'
import { isAdmitted } from '../../core/model/nodeFilter.js'
import { clientService, type NodeRow } from '../../core/model/nodeRow.js'
import { concerning, isHolding } from '../../core/upgrade/classLineage.js'
import type { ClassUpgradeEntry } from '../../core/upgrade/manifest.js'
import { takesBack, undoesIn } from '../../core/upgrade/undo.js'
import { passedTo } from '../../core/upgrade/undoable.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { type Proposal, versionOf } from './situation.js'

export class UpgradePath {
  /** The proposed version. */
  readonly goal: Version

  /** The undo of each version that has one: the first. */
  readonly #undoOf: ReadonlyMap<Version, Version>
  /** As they are asked for, once for each version. */
  readonly #entries = new Map<Version, readonly ClassUpgradeEntry[]>()

  constructor(private readonly proposal: Proposal) {
    this.goal = versionOf(proposal)
    const undos = proposal.situation.manifests.filter(({ undoes }) => undoes !== null)
    this.#undoOf = new Map(undos.toReversed().map(({ undoes, version }) => [undoes!, version]))
  }

  /** How the upgrade to `version` concerns a node that has this class before it, if it does. */
  entry(version: Version, className: string, nodeId: string): ClassUpgradeEntry | undefined {
    const node = { nodeId, facts: {} }
    const found = concerning({ classUpgrades: this.#classUpgrades(version) }, className, node)
    // It waits outside, and nobody waits for it.
    return found !== undefined && isHolding(found) && !isAdmitted(found.only!, node) ? undefined : found
  }

  /** Its code; undefined where it could not be loaded. */
  classUpgrade(version: Version, { oldClass, newClass }: ClassUpgradeEntry): ClassUpgrade | undefined {
    const found = this.proposal.upgrades.get(version)?.classUpgrades
    return found?.find((upgrade) => upgrade.oldClass.className === oldClass && upgrade.newClass.className === newClass)
  }

  takesBack(version: Version): boolean {
    return takesBack(undoesIn(this.proposal.situation.manifests), version)
  }

  /**
   * The version that nodes which go together go on to, past `target` and its undo; null where it is not
   * undone, or an upgrade between is for one of them.
   *
   * @param rows as they are before `target`
   */
  passedTo(target: Version, rows: readonly Pick<NodeRow, 'nodeId' | 'className'>[]): Version | null {
    return passedTo(
      (version) => this.#undoOf.get(version) ?? null,
      (version) => rows.some((row) => this.#concerns(row, target, version)),
      target,
    )
  }

  #concerns({ nodeId, className }: Pick<NodeRow, 'nodeId' | 'className'>, from: Version, version: Version): boolean {
    let current = className
    for (let before = from; before < version; before++) current = this.entry(before, current, nodeId)?.newClass ?? current
    return this.entry(version, current, nodeId) !== undefined
  }

  /** The nodes whose class the proposed upgrade concerns, once they are at the version before it. */
  affected(rows: readonly NodeRow[]): ReadonlyMap<string, ClassUpgradeEntry> {
    const found = new Map<string, ClassUpgradeEntry>()
    for (const row of rows) {
      if (row.service === clientService) continue
      let { className } = row
      for (let version = row.version + 1; version <= this.goal; version++) {
        const entry = this.entry(version, className, row.nodeId)
        if (entry === undefined) continue
        className = entry.newClass
        if (version === this.goal) found.set(row.nodeId, entry)
      }
    }
    return found
  }

  /** The service of every class that is known of. */
  services(): ReadonlyMap<string, string> {
    const { situation, draft } = this.proposal
    const services = new Map(situation.rows.map(({ className, service }) => [className, service]))
    for (const { oldClass, newClass, service } of [...situation.manifests, draft].flatMap(({ classUpgrades }) => classUpgrades))
      services.set(oldClass, service).set(newClass, service)
    return services
  }

  #classUpgrades(version: Version): readonly ClassUpgradeEntry[] {
    let found = this.#entries.get(version)
    if (found === undefined) {
      const { draft, situation } = this.proposal
      const manifest = version === this.goal ? draft : situation.manifests[version - 1]
      this.#entries.set(version, (found = (manifest?.classUpgrades ?? []).map(withoutFacts)))
    }
    return found
  }
}

/** Which facts a node has, no database tells: it is taken to have them. */
function withoutFacts(entry: ClassUpgradeEntry): ClassUpgradeEntry {
  if (entry.only?.facts === undefined) return entry
  const { nodes } = entry.only
  return { ...entry, only: nodes === undefined ? null : { nodes } }
}
