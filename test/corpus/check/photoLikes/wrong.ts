/** Upgrade operation (SO with a copy). Found: copied state; inconsistent answer; forgotten state. */
import { defineUpgrade, eagerly, futureSO, notNeeded, upgradeClass } from 'theseus-actors'
import { PhotoV1, PhotoV2 } from './v1.js'

const ahead = futureSO({
  simulates: PhotoV2,
  over: PhotoV1,
  initial: () => ({ count: 0 }),
  delegates: ['fans'],
  methods: {
    async like(fan) {
      await this.next.like(fan)
      this.state.count = (await this.next.fans()).length
    },
    likes() {
      return this.state.count
    },
  },
})

export default defineUpgrade({
  title: 'Likes are counted',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: PhotoV1, newClass: PhotoV2, futureSO: ahead, pastSO: notNeeded },
      transform: ({ fans }) => ({ fans }),
      schedule: eagerly(),
    }),
  ],
})
