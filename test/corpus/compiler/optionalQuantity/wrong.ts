/** Data syntax (optional field becomes required). Found: 'undefined' is not assignable to type 'number'. */
import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { WishesV1, WishesV2 } from './v1.js'

export default defineUpgrade({
  title: 'Each line has a quantity',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: WishesV1, newClass: WishesV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ lines }) => ({ lines }),
      schedule: eagerly(),
    }),
  ],
})
