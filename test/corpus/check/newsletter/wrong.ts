/** Data syntax (field without a default). Found: throws. */
import { defineUpgrade, eagerly, type StateOf, upgradeClass } from 'theseus-actors'
import { type NewsletterV2, parts } from './v1.js'

export default defineUpgrade({
  title: 'Addresses that bounce',
  classUpgrades: [
    upgradeClass({
      ...parts,
      transform: (old) => ({ ...old }) as StateOf<typeof NewsletterV2>,
      schedule: eagerly(),
    }),
  ],
})
