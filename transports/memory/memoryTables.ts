/** The upgrade-specific tables in memory. */
import { checkTable } from '../../core/model/tables.js'
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

  names(): readonly string[] {
    return [...this.system.data().tables.keys()].sort()
  }
}
