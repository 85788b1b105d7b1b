import { defineUpgrade, keeps, oneReplicaAtATime, promising, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

const twoOfThree = keeps({ service: 'replica', serving: 2, of: '{set}-*' })

export default defineUpgrade({
  title: 'Replicas, one at a time',
  classUpgrades: [upgradeClass({ ...parts, schedule: promising(oneReplicaAtATime(), twoOfThree) })],
})
