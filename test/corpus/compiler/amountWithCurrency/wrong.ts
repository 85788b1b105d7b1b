/** Data syntax (answer of another type). Found: Type '"given"' is not assignable to type '"give"'. */
import { defineUpgrade, eagerly, futureSO, pastSO, upgradeClass } from 'theseus-actors'
import { DonationV1, DonationV2 } from './v1.js'

export default defineUpgrade({
  title: 'Donations have a currency',
  classUpgrades: [
    upgradeClass({
      oldClass: DonationV1,
      newClass: DonationV2,
      futureSO: futureSO({ simulates: DonationV2, over: DonationV1, delegates: ['give', 'given'], methods: {} }),
      pastSO: pastSO({ simulates: DonationV1, over: DonationV2, delegates: ['give', 'given'], methods: {} }),
      transform: ({ amount }) => ({ amount, currency: 'EUR' }),
      schedule: eagerly(),
    }),
  ],
})
