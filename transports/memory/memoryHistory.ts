/** The history in memory: the newest version, and the signed manifests. */
import type { Version } from '../../core/base/ids.js'
import type { Head } from '../../core/control/upgradeDatabase.js'
import { checkTables, type TableEntries } from '../../core/model/tables.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import type { MemoryBundles } from './memoryBundles.js'
import { copyOf, type MemorySystem } from './memorySystem.js'
import type { MemoryTables } from './memoryTables.js'

export class MemoryHistory {
  constructor(
    private readonly system: Pick<MemorySystem, 'data'>,
    private readonly bundles: Pick<MemoryBundles, 'writes' | 'installed'>,
    private readonly upgradeTables: Pick<MemoryTables, 'set'>,
  ) {}

  head(): Head {
    return this.system.data().head
  }

  manifests(from: Version, to: Version): readonly SignedManifest[] {
    return this.system
      .data()
      .manifests.slice(Math.max(from, 1) - 1, Math.max(to, 0))
      .map(copyOf)
  }

  install(
    expected: Head,
    digest: string,
    manifest: SignedManifest,
    tables: TableEntries = {},
    undoes: Version | null = null,
    bundle: string | null = null,
    writes: number | null = null,
  ): boolean {
    const system = this.system.data()
    const written = bundle === null ? 0 : this.bundles.writes(bundle)
    checkTables(tables)
    const entries = Object.entries(tables).flatMap(([name, table]) =>
      Object.entries(table).map(([key, value]) => [name, key, value] as const),
    )
    if (system.head.version !== expected.version || system.head.digest !== expected.digest) return false
    if (undoes !== null && undoes <= system.final) return false
    if (writes !== null && written !== writes) return false
    for (const [name, key, value] of entries) this.upgradeTables.set(name, key, value)
    system.manifests.push(copyOf(manifest))
    system.head = { version: expected.version + 1, digest }
    if (bundle !== null) this.bundles.installed(bundle)
    return true
  }
}
