import { defineUpgrade, eagerly, futureSO, notNeeded, upgradeClass } from 'theseus-actors'
import { TeamV1, TeamV2 } from './v1.js'

export default defineUpgrade({
  title: 'Teams have leads',
  classUpgrades: [
    upgradeClass({
      oldClass: TeamV1,
      newClass: TeamV2,
      futureSO: futureSO({
        simulates: TeamV2,
        over: TeamV1,
        delegates: ['add', 'has'],
        refuses: ['lead', 'isLead'],
        methods: {},
      }),
      pastSO: notNeeded,
      transform: ({ people }) => ({ leads: [] as string[], others: people }),
      inverse: { transform: ({ leads, others }) => ({ people: [...leads, ...others] }) },
      schedule: eagerly(),
    }),
  ],
})
