/** Data semantics (keys that become equal). Found: copied state; inconsistent answer. */
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { LoginsV1 } from './v1.js'

/** "Anna" and "anna" are one. */
class LoginsV2 extends NodeObject<object, { users: { mail: string } }> {
  static override readonly className = 'Logins.v2'

  @command register(name: string, mail: string): boolean {
    if (this.collection('users').has(name.toLowerCase())) return false
    this.collection('users').put(name.toLowerCase(), { mail })
    return true
  }
  @query mailOf(name: string): string | null {
    return this.collection('users').get(name.toLowerCase())?.mail ?? null
  }
}

export default defineUpgrade({
  title: 'Names are the same in capitals',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: LoginsV1, newClass: LoginsV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: async (_old, _future, collections) => {
        for (const [name, user] of collections.old('users').entries()) {
          collections.next('users').put(name.toLowerCase(), user)
          await collections.flushed()
        }
        return {}
      },
      schedule: eagerly(),
    }),
  ],
})
