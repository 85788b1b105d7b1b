import { defineUpgrade, eagerly, futureSO, notNeeded, upgradeClass } from 'theseus-actors'
import { PhotoV1, PhotoV2 } from './v1.js'

const ahead = futureSO({
  simulates: PhotoV2,
  over: PhotoV1,
  delegates: ['like', 'fans'],
  methods: {
    async likes() {
      return (await this.next.fans()).length
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
