/** Data syntax (enum). Found: inconsistent answer; forgotten state. */
import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { OrderV1 } from './v1.js'
import { ahead, OrderV2, still } from './v2.js'

export default defineUpgrade({
  title: 'Orders are packed',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: OrderV1, newClass: OrderV2, futureSO: ahead, pastSO: still },
      transform: ({ stage }) => ({ stage }),
      schedule: eagerly(),
    }),
  ],
})
