import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { CustomerV1, CustomerV2 } from './v1.js'

export default defineUpgrade({
  title: 'One name for addresses',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: CustomerV1, newClass: CustomerV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ mail, name }) => ({ email: mail, name }),
      schedule: eagerly(),
    }),
  ],
})
