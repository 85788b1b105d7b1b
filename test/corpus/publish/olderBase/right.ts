import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { ClockV2, ClockV3 } from './v1.js'

export default defineUpgrade({
  title: 'Clocks of this team',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: ClockV2, newClass: ClockV3, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ seconds }) => ({ seconds }),
      schedule: eagerly(),
    }),
  ],
})
