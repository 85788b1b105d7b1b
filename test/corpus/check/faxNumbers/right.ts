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
        initial: ({ fax }) => ({ fax }),
        methods: {
          setFax(fax) {
            this.state.fax = fax
          },
          fax() {
            return this.state.fax
          },
        },
      }),
      transform: ({ phone }) => ({ phone }),
      schedule: eagerly(),
    }),
  ],
})
