import { defineUpgrade, futureSO, oneReplicaAtATime, pastSO, upgradeClass } from 'theseus-actors'
import { ReplicaV1, ReplicaV2 } from '../replica.js'

/**
 * These make the state transfer work between versions: an old replica answers a new one’s
 * `entries`, and the other way round.
 */
const sizesAhead = futureSO({
  simulates: ReplicaV2,
  over: ReplicaV1,
  delegates: ['put', 'told', 'get'],
  methods: {
    async entries() {
      const entries = Object.entries(await this.next.entries())
      return Object.fromEntries(entries.map(([key, value]) => [key, { value, bytes: Buffer.byteLength(value) }]))
    },
  },
})

const withoutSizes = pastSO({
  simulates: ReplicaV1,
  over: ReplicaV2,
  delegates: ['put', 'told', 'get'],
  methods: {
    async entries() {
      return Object.fromEntries(Object.entries(await this.next.entries()).map(([key, { value }]) => [key, value]))
    },
  },
})

export default defineUpgrade({
  title: 'Replicas know the sizes of their values',
  classUpgrades: [
    upgradeClass({
      oldClass: ReplicaV1,
      newClass: ReplicaV2,
      futureSO: sizesAhead,
      pastSO: withoutSizes,
      transform: () => ({ entries: null }), // discarded: the new object recovers its state from another replica (§6)
      schedule: oneReplicaAtATime(),
    }),
  ],
})
