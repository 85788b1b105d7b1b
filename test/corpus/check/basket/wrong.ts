/** Data semantics (duplicates). Found: inconsistent answer; forgotten state. */
import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { BasketV1, BasketV2 } from './v1.js'

export default defineUpgrade({
  title: 'Baskets count',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: BasketV1, newClass: BasketV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ items }) => ({ counts: Object.fromEntries(items.map((item) => [item, 1])) }),
      schedule: eagerly(),
    }),
  ],
})
