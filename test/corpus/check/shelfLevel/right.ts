import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { ShelfV1, ShelfV2 } from './v1.js'

export default defineUpgrade({
  title: 'Levels below zero',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: ShelfV1, newClass: ShelfV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ level }) => ({ level: Math.max(0, level), isCounted: level >= 0 }),
      schedule: eagerly(),
    }),
  ],
})
