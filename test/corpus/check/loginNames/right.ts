import { command, defineUpgrade, eagerly, futureSO, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { LoginsV1 } from './v1.js'

/** Names stay as they are; a new method finds them by their letters. */
class LoginsV2 extends NodeObject<object, { users: { mail: string } }> {
  static override readonly className = 'Logins.v2'

  @command register(name: string, mail: string): boolean {
    if (this.collection('users').has(name)) return false
    this.collection('users').put(name, { mail })
    return true
  }
  @query mailOf(name: string): string | null {
    return this.collection('users').get(name)?.mail ?? null
  }
  @query alike(name: string): string[] {
    return [...this.collection('users').entries()].map(([key]) => key).filter((key) => key.toLowerCase() === name.toLowerCase())
  }
}

export default defineUpgrade({
  title: 'Names are found in capitals',
  classUpgrades: [
    upgradeClass({
      oldClass: LoginsV1,
      newClass: LoginsV2,
      futureSO: futureSO({
        simulates: LoginsV2,
        over: LoginsV1,
        delegates: ['register', 'mailOf'],
        refuses: ['alike'],
        methods: {},
      }),
      pastSO: notNeeded,
      transform: async (_old, _future, collections) => {
        await collections.carry('users')
        return {}
      },
      schedule: eagerly(),
    }),
  ],
})
