/** Upgrade operation (TF that depends on time). Found: TF that depends on time or chance. */
import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Since when a parcel is there',
  classUpgrades: [upgradeClass({ ...parts, transform: ({ place }) => ({ place, since: Date.now() }), schedule: eagerly() })],
})
