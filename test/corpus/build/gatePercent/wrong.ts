/** Misconfiguration (a threshold in percent). Found: moreFailuresMax. */
import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Pauses at five percent',
  classUpgrades: [upgradeClass({ ...parts, schedule: eagerly() })],
  gate: { moreFailuresMax: 5 },
})
