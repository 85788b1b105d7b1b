import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { DoorLogV1, DoorLogV2 } from './v1.js'

export default defineUpgrade({
  title: 'The newest entry comes last',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: DoorLogV1, newClass: DoorLogV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ entries }) => ({ entries: entries.toReversed() }),
      schedule: eagerly(),
    }),
  ],
})
