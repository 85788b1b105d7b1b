/** The upgrade-specific tables in memory. */
import type { Version } from '../../core/base/ids.js'
import { overwrittenTable } from '../../core/model/reservedTables.js'
import { checkTable, overwrittenKey, type TableEntries, type TablesUndone } from '../../core/model/tables.js'
import type { MemorySystem } from './memorySystem.js'

export class MemoryTables {
  constructor(private readonly system: Pick<MemorySystem, 'data'>) {}

  entries(name: string): ReadonlyMap<string, string> {
    checkTable(name)
    const table = this.system.data().tables.get(name) ?? new Map<string, string>()
    return new Map([...table].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  set(name: string, key: string, value: string): void {
    const { tables } = this.system.data()
    tables.set(name, (tables.get(name) ?? new Map<string, string>()).set(key, value))
  }

  remove(name: string, key: string): boolean {
    checkTable(name, key)
    const { tables } = this.system.data()
    const table = tables.get(name)
    const removed = table?.delete(key) ?? false
    if (table?.size === 0) tables.delete(name)
    return removed
  }

  /** The entries of a version are set; or, of one that is undone, taken back or brought again. */
  change(entries: TableEntries, undone: TablesUndone | null, version: Version): void {
    const { tables } = this.system.data()
    for (const [name, table] of Object.entries(entries))
      for (const [key, value] of Object.entries(table)) {
        const kept = overwrittenKey(undone?.of ?? version, name, key)
        const now = tables.get(name)?.get(key)
        const before = tables.get(overwrittenTable)?.get(kept)
        if (undone === null && now !== undefined) this.set(overwrittenTable, kept, now)
        const to = undone === null ? value : changedBack(undone.way, now, before, value)
        if (to !== undefined) this.set(name, key, to)
        else if (now !== undefined) this.remove(name, key)
      }
  }

  names(): readonly string[] {
    return [...this.system.data().tables.keys()].sort()
  }
}

function changedBack(
  way: TablesUndone['way'],
  now: string | undefined,
  before: string | undefined,
  value: string,
): string | undefined {
  if (way === 'takesBack') return now === value ? before : now
  return now === before ? value : now
}
