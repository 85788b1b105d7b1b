import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { BasketV1, BasketV2 } from './v1.js'

export default defineUpgrade({
  title: 'Baskets count',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: BasketV1, newClass: BasketV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ items }) => {
        const counts: Record<string, number> = {}
        for (const item of items) counts[item] = (counts[item] ?? 0) + 1
        return { counts }
      },
      schedule: eagerly(),
    }),
  ],
})
