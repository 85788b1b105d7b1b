/** Upgrade operation (SO that fakes success). Found: faked success; forgotten state. */
import { defineUpgrade, eagerly, notNeeded, pastSO, upgradeClass } from 'theseus-actors'
import { ContactV1, ContactV2 } from './v1.js'

export default defineUpgrade({
  title: 'No more faxes',
  classUpgrades: [
    upgradeClass({
      oldClass: ContactV1,
      newClass: ContactV2,
      futureSO: notNeeded,
      pastSO: pastSO({
        simulates: ContactV1,
        over: ContactV2,
        delegates: ['setPhone', 'phone'],
        methods: {
          setFax() {},
          fax: () => '',
        },
      }),
      transform: ({ phone }) => ({ phone }),
      schedule: eagerly(),
    }),
  ],
})
