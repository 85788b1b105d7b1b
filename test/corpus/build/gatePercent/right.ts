import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Pauses at five percent',
  classUpgrades: [upgradeClass({ ...parts, schedule: eagerly() })],
  gate: { moreFailuresMax: 0.05 },
})
