/** Upgrade operation (schedule that breaks its promise). Found: broken: keeps 2 nodes. */
import { atMost, defineUpgrade, keeps, promising, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

const twoOfThree = keeps({ service: 'replica', serving: 2, of: '{set}-*' })

export default defineUpgrade({
  title: 'Replicas, two at a time',
  classUpgrades: [upgradeClass({ ...parts, schedule: promising(atMost(2), twoOfThree) })],
})
