/** Upgrade operation (lazy records forget). Found: forgotten state. */
import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Books have stars',
  classUpgrades: [
    upgradeClass({
      ...parts,
      records: { books: (title, stars) => (title === undefined ? undefined : { title, stars: stars ?? 0 }) },
      schedule: eagerly(),
    }),
  ],
})
