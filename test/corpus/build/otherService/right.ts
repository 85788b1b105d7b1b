import { defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { CartV1 } from './v1.js'

class CartV2 extends NodeObject<{ items: number }> {
  static override readonly className = 'ShoppingCart.v2'
  static override readonly service = 'cart'
  static override initial() {
    return { items: 0 }
  }
  @query items(): number {
    return this.state.items
  }
}

export default defineUpgrade({
  title: 'Carts have a better name',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: CartV1, newClass: CartV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ items }) => ({ items }),
      schedule: eagerly(),
    }),
  ],
})
