/** Data syntax (enum with a new member). Found: notNeeded does not hold: write an SO for. */
import { defineUpgrade, eagerly, futureSO, notNeeded, upgradeClass } from 'theseus-actors'
import { LoanV1, LoanV2 } from './v1.js'

const ahead = futureSO({
  simulates: LoanV2,
  over: LoanV1,
  delegates: ['repay', 'status'],
  refuses: ['writeOff'],
  methods: {},
})

export default defineUpgrade({
  title: 'Loans are written off',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: LoanV1, newClass: LoanV2, futureSO: ahead },
      pastSO: notNeeded,
      transform: ({ status }) => ({ status }),
      schedule: eagerly(),
    }),
  ],
})
