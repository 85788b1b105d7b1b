/** Data semantics (unit). Found: inconsistent answer; forgotten state. */
import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { GiftCardV1, GiftCardV2 } from './v1.js'

export default defineUpgrade({
  title: 'Cards count in euros',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: GiftCardV1, newClass: GiftCardV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ cents }) => ({ euros: cents }),
      schedule: eagerly(),
    }),
  ],
})
