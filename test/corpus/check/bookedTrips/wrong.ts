/** Upgrade operation (a refusal that comes too late). Found: inconsistent answer. */
import { defineUpgrade, eagerly, futureSO, notNeeded, upgradeClass } from 'theseus-actors'
import { TripV1, TripV2, WalletV1 } from './v1.js'

export default defineUpgrade({
  title: 'Trips are insured',
  classUpgrades: [
    upgradeClass({
      oldClass: TripV1,
      newClass: TripV2,
      futureSO: futureSO({
        simulates: TripV2,
        over: TripV1,
        delegates: ['book', 'isBooked'],
        methods: {
          isInsured: () => false,
          async insure(cents) {
            await this.ref(WalletV1, 'wallet1').spend(cents)
            return this.refuse('this trip cannot be insured yet')
          },
        },
      }),
      pastSO: notNeeded,
      transform: ({ isBooked }) => ({ isBooked, isInsured: false }),
      schedule: eagerly(),
    }),
  ],
})
