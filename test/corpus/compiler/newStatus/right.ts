import { defineUpgrade, eagerly, futureSO, pastSO, upgradeClass } from 'theseus-actors'
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
      pastSO: pastSO({
        simulates: LoanV1,
        over: LoanV2,
        delegates: ['repay'],
        methods: {
          async status() {
            const status = await this.next.status()
            return status === 'written off' ? this.refuse('the loan is written off') : status
          },
        },
      }),
      transform: ({ status }) => ({ status }),
      schedule: eagerly(),
    }),
  ],
})
