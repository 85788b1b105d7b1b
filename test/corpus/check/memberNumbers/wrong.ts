/** Upgrade operation (TF that counts). Found: TF that depends on time or chance. */
import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

let last = 0

export default defineUpgrade({
  title: 'Members have numbers',
  classUpgrades: [
    upgradeClass({
      ...parts,
      transform: ({ members }) => ({ numbers: Object.fromEntries(members.map((name) => [name, ++last])) }),
      schedule: eagerly(),
    }),
  ],
})
