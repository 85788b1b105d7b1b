/** Misconfiguration (wrong base version). Found: the upgrade was written against an older version. */
import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { ClockV1, ClockV3 } from './v1.js'

export default defineUpgrade({
  title: 'Clocks of this team',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: ClockV1, newClass: ClockV3, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ seconds }) => ({ seconds }),
      schedule: eagerly(),
    }),
  ],
})
