import { defineUpgrade, eagerly, futureSO, notNeeded, upgradeClass } from 'theseus-actors'
import { TripV1, TripV2 } from './v1.js'

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
        refuses: ['insure'],
        methods: { isInsured: () => false },
      }),
      pastSO: notNeeded,
      transform: ({ isBooked }) => ({ isBooked, isInsured: false }),
      schedule: eagerly(),
    }),
  ],
})
