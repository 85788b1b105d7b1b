/** Upgrade operation (callers left behind). Found: OrderDesk.v1 calls Warehouse.v1.take, which. */
import { defineUpgrade, eagerly, pastSO, upgradeClass } from 'theseus-actors'
import { ahead, DeskV1, StockV1, StockV2 } from './v1.js'

const still = pastSO({ simulates: StockV1, over: StockV2, delegates: ['left'], refuses: ['take'], methods: {} })

export default defineUpgrade({
  title: 'Pieces are reserved',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: StockV1, newClass: StockV2, futureSO: ahead, pastSO: still },
      transform: ({ left }) => ({ left, reserved: 0 }),
      schedule: eagerly(),
    }),
  ],
  unaffected: [DeskV1],
})
