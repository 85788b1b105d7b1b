import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { InvoiceV1, InvoiceV2 } from './v1.js'

export default defineUpgrade({
  title: 'Dates as in ISO 8601',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: InvoiceV1, newClass: InvoiceV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ due }) => ({ due: due.split('.').reverse().join('-') }),
      schedule: eagerly(),
    }),
  ],
})
