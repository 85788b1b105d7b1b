import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { ahead, TeamV1, TeamV2 } from './v1.js'

export default defineUpgrade({
  title: 'Teams have leads',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: TeamV1, newClass: TeamV2, futureSO: ahead, pastSO: notNeeded },
      transform: ({ people }, { leads }) => ({ leads, others: people.filter((each) => !leads.includes(each)) }),
      inverse: {
        transform: ({ leads, others }) => ({ people: [...leads, ...others] }),
        future: ({ leads }) => ({ leads }),
      },
      schedule: eagerly(),
    }),
  ],
})
