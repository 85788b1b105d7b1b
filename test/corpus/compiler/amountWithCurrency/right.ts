import { defineUpgrade, eagerly, futureSO, pastSO, upgradeClass } from 'theseus-actors'
import { DonationV1, DonationV2 } from './v1.js'

export default defineUpgrade({
  title: 'Donations have a currency',
  classUpgrades: [
    upgradeClass({
      oldClass: DonationV1,
      newClass: DonationV2,
      futureSO: futureSO({
        simulates: DonationV2,
        over: DonationV1,
        delegates: ['give'],
        methods: {
          async given() {
            return { amount: await this.next.given(), currency: 'EUR' }
          },
        },
      }),
      pastSO: pastSO({
        simulates: DonationV1,
        over: DonationV2,
        delegates: ['give'],
        methods: {
          async given() {
            return (await this.next.given()).amount
          },
        },
      }),
      transform: ({ amount }) => ({ amount, currency: 'EUR' }),
      schedule: eagerly(),
    }),
  ],
})
