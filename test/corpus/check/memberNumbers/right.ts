import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Members have numbers',
  classUpgrades: [
    upgradeClass({
      ...parts,
      transform: ({ members }) => ({ numbers: Object.fromEntries(members.map((name, i) => [name, i + 1])) }),
      schedule: eagerly(),
    }),
  ],
})
