import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { ClockV1, ClockV2 } from './v1.js'

export default defineUpgrade({
  title: 'Clocks of the other team',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: ClockV1, newClass: ClockV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ seconds }) => ({ seconds }),
      schedule: eagerly(),
    }),
  ],
})
