/** The history in memory: the newest version, and the signed manifests. */
import type { Version } from '../../core/base/ids.js'
import { isSameLevel, raised } from '../../core/base/level.js'
import { type Control, checkControl, controlKey } from '../../core/control/control.js'
import { isReadByAll } from '../../core/control/readers.js'
import type { AskedOfReaders, Head, StoredLevel } from '../../core/control/upgradeDatabase.js'
import { checkTables, type TableEntries, type TablesUndone } from '../../core/model/tables.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import type { MemoryBundles } from './memoryBundles.js'
import { copyOf, type MemorySystem } from './memorySystem.js'
import type { MemoryTables } from './memoryTables.js'

export class MemoryHistory {
  constructor(
    private readonly system: Pick<MemorySystem, 'data' | 'registrations'>,
    private readonly bundles: Pick<MemoryBundles, 'writes' | 'installed'>,
    private readonly upgradeTables: Pick<MemoryTables, 'change'>,
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
    asked: AskedOfReaders | null = null,
    undone: TablesUndone | null = null,
    control: Control | null = null,
  ): boolean {
    const system = this.system.data()
    const written = bundle === null ? 0 : this.bundles.writes(bundle)
    checkTables(tables)
    if (control !== null) checkControl(control)
    if (system.head.version !== expected.version || system.head.digest !== expected.digest) return false
    if (undoes !== null && undoes <= system.final) return false
    if (writes !== null && written !== writes) return false
    if (asked !== null && !asked.isTaught && !this.#isReadByAll(asked)) return false
    if (asked?.level != null) this.restoreLevel(asked.level)
    this.upgradeTables.change(tables, undone, expected.version + 1)
    system.manifests.push(copyOf(manifest))
    system.head = { version: expected.version + 1, digest }
    if (control !== null) system.controls.set(controlKey(control), { ...control })
    if (bundle !== null) this.bundles.installed(bundle)
    return true
  }

  #isReadByAll({ reads }: AskedOfReaders): boolean {
    const registrations = this.system.registrations()
    const rows = registrations.registered(undefined).map(({ status }) => status)
    return isReadByAll(reads, rows, registrations.servers())
  }

  level(): StoredLevel | null {
    return this.system.data().level
  }

  restoreLevel({ release, numbers }: StoredLevel, wrong?: StoredLevel): void {
    const system = this.system.data()
    const found = system.level
    const before = found !== null && wrong !== undefined && isSameLevel(found.numbers, wrong.numbers) ? null : found
    const now = raised((before?.numbers ?? {}) as never, numbers)
    system.level = { release: before !== null && isSameLevel(before.numbers, now) ? before.release : release, numbers: now }
  }
}
