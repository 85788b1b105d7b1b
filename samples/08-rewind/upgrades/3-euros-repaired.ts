import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { AccountV1, AccountV3 } from '../account.js'

export default defineUpgrade({
  title: 'Accounts keep euros and cents, repaired',
  classUpgrades: [
    upgradeClass({
      oldClass: AccountV1,
      newClass: AccountV3,
      // Callers see no difference between the two: neither needs a simulation object.
      futureSO: notNeeded,
      pastSO: notNeeded,
      transform: ({ balance }) => ({ euros: Math.floor(balance / 100), cents: balance % 100 }),
      inverse: { transform: ({ euros, cents }) => ({ balance: 100 * euros + cents }) },
      rewind: { for: '24h' },
      schedule: eagerly(),
    }),
  ],
})
