/** Data syntax (order of fields). Found: inconsistent answer; forgotten state. */
import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { LedgerV1, LedgerV2 } from './v1.js'

export default defineUpgrade({
  title: 'Transfers as in the forms',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: LedgerV1, newClass: LedgerV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ balances }) => ({ balances }),
      schedule: eagerly(),
    }),
  ],
})
