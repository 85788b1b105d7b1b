import { defineUpgrade, futureSO, gradually, pastSO, upgradeClass } from 'theseus-actors'
import { StockV1, StockV2 } from '../stock.js'

/** For those who upgrade before the warehouse does. */
const ordersAhead = futureSO({
  simulates: StockV2,
  over: StockV1,
  initial: (): { orders: string[] } => ({ orders: [] }),
  delegates: ['left'],
  methods: {
    async take(count, order) {
      this.state.orders.push(order)
      return `order ${order}, ${await this.next.take(count)} left`
    },
    orders() {
      return this.state.orders
    },
  },
})

/** For those who upgrade after it. */
const withoutOrders = pastSO({
  simulates: StockV1,
  over: StockV2,
  delegates: ['left'],
  methods: {
    async take(count) {
      await this.next.take(count, 'none')
      return await this.next.left()
    },
  },
})

export default defineUpgrade({
  title: 'Everything is taken for an order',
  classUpgrades: [
    upgradeClass({
      oldClass: StockV1,
      newClass: StockV2,
      futureSO: ordersAhead,
      pastSO: withoutOrders,
      transform: (old, future) => ({ left: old.left, orders: future.orders }),
      changes: { orders: 'lists what is taken without an order as none' },
      inverse: { transform: (now) => ({ left: now.left }), future: (now) => ({ orders: now.orders }) },
      schedule: gradually({ every: '50ms', probability: 0.4 }),
    }),
  ],
})
