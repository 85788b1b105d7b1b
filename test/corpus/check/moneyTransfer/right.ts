import { defineUpgrade, eagerly, futureSO, pastSO, upgradeClass } from 'theseus-actors'
import { LedgerV1, LedgerV2 } from './v1.js'

export default defineUpgrade({
  title: 'Transfers as in the forms',
  classUpgrades: [
    upgradeClass({
      oldClass: LedgerV1,
      newClass: LedgerV2,
      futureSO: futureSO({
        simulates: LedgerV2,
        over: LedgerV1,
        delegates: ['balance'],
        methods: {
          transfer: async function (to, from, amount) {
            await this.next.transfer(from, to, amount)
          },
        },
      }),
      pastSO: pastSO({
        simulates: LedgerV1,
        over: LedgerV2,
        delegates: ['balance'],
        methods: {
          transfer: async function (from, to, amount) {
            await this.next.transfer(to, from, amount)
          },
        },
      }),
      transform: ({ balances }) => ({ balances }),
      schedule: eagerly(),
    }),
  ],
})
