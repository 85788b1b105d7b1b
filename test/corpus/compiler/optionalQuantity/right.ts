import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { WishesV1, WishesV2 } from './v1.js'

export default defineUpgrade({
  title: 'Each line has a quantity',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: WishesV1, newClass: WishesV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ lines }) => ({ lines: lines.map(({ item, quantity = 1 }) => ({ item, quantity })) }),
      schedule: eagerly(),
    }),
  ],
})
