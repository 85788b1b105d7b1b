/** An upgrade database in which a test changes some of the answers. */
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'

export function changedDatabase(stored: UpgradeDatabase, change: Partial<UpgradeDatabase>): UpgradeDatabase {
  return new Proxy(stored, {
    get(target, key) {
      const found: unknown = Reflect.get(change, key) ?? Reflect.get(target, key)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
}
