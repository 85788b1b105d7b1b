import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { PurchaseV1, PurchaseV2, type Stage } from './v1.js'

export default defineUpgrade({
  title: 'Purchases have stages',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: PurchaseV1, newClass: PurchaseV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ isPaid, isCancelled }) => {
        const stage: Stage = isCancelled ? (isPaid ? 'refund due' : 'cancelled') : isPaid ? 'paid' : 'open'
        return { stage }
      },
      schedule: eagerly(),
    }),
  ],
})
