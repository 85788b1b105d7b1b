import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Since when a parcel is there',
  classUpgrades: [
    upgradeClass({
      ...parts,
      transform: ({ place }) => ({ place, since: null }),
      changes: { since: 'nobody knows it of parcels that came before' },
      schedule: eagerly(),
    }),
  ],
})
