import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Addresses that bounce',
  classUpgrades: [upgradeClass({ ...parts, transform: (old) => ({ ...old, bounced: [] as string[] }), schedule: eagerly() })],
})
