import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { ThermostatV1, ThermostatV2 } from './v1.js'

export default defineUpgrade({
  title: 'Half degrees',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: ThermostatV1, newClass: ThermostatV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ degrees }) => ({ halves: degrees * 2 }),
      schedule: eagerly(),
    }),
  ],
})
