/** Upgrade operation (schedule that takes too long). Found: broken: done within 1m. */
import { defineUpgrade, doneWithin, oneReplicaAtATime, promising, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Meters, before the market opens',
  classUpgrades: [upgradeClass({ ...parts, schedule: promising(oneReplicaAtATime(), doneWithin('1m')) })],
})
