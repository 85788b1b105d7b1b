import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { TillV1, TillV2 } from '../till.js'

export default defineUpgrade({
  title: 'Tills take things for an order',
  classUpgrades: [
    upgradeClass({
      oldClass: TillV1,
      newClass: TillV2,
      futureSO: notNeeded, // the same type
      pastSO: notNeeded,
      transform: (old) => old,
      changes: { sell: 'answers with the receipt of an order' },
      inverse: { transform: (now) => now },
      schedule: eagerly(),
    }),
  ],
})
