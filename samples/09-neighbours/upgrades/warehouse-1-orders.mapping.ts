import { mapping } from 'theseus-actors/rehearsal'
import { StockV1, StockV2 } from '../stock.js'

/** The number of things is dependent; the orders are not. */
export const toOrders = mapping({
  from: StockV1,
  to: StockV2,
  state: ({ left }) => ({ left, orders: [] }),
  dependent: ['left'],
})

export const fromOrders = mapping({
  from: StockV2,
  to: StockV1,
  state: ({ left }) => ({ left }),
  dependent: ['left'],
})
