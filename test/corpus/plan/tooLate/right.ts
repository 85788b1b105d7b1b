import { atMost, defineUpgrade, doneWithin, promising, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Meters, before the market opens',
  classUpgrades: [upgradeClass({ ...parts, schedule: promising(atMost(8), doneWithin('1m')) })],
})
