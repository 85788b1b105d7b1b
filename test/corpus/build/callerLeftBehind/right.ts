import { afterMyServers, defineUpgrade, eagerly, notNeeded, pastSO, upgradeClass } from 'theseus-actors'
import { ahead, DeskV1, DeskV2, StockV1, StockV2 } from './v1.js'

const still = pastSO({ simulates: StockV1, over: StockV2, delegates: ['left'], refuses: ['take'], methods: {} })

export default defineUpgrade({
  title: 'Pieces are reserved',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: StockV1, newClass: StockV2, futureSO: ahead, pastSO: still },
      transform: ({ left }) => ({ left, reserved: 0 }),
      schedule: eagerly(),
    }),
    upgradeClass({
      ...{ oldClass: DeskV1, newClass: DeskV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: () => ({}),
      schedule: afterMyServers(),
    }),
  ],
})
