import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { SessionV1, SessionV2 } from './v1.js'

export default defineUpgrade({
  title: 'Sessions with a header',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: SessionV1, newClass: SessionV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ json }) => ({ json: JSON.stringify({ format: 2, values: JSON.parse(json) }) }),
      schedule: eagerly(),
    }),
  ],
})
