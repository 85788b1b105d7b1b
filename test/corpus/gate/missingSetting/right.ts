import { defineUpgrade, NodeObject, notNeeded, query, steps, upgradeClass } from 'theseus-actors'
import { PricesV1 } from './v1.js'

class PricesV2 extends NodeObject<{ rate: number }> {
  static override readonly className = 'Prices.v2'
  static override initial() {
    return { rate: 1 }
  }
  protected override start(): void {
    this.state.rate = process.env.CORPUS_CURRENCY === 'EUR' ? 2 : 1
  }
  @query rate(): number {
    return this.state.rate
  }
}

export default defineUpgrade({
  title: 'Prices in the currency of the host',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: PricesV1, newClass: PricesV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ rate }) => ({ rate }),
      schedule: steps(['1 node', 'all'], { bake: '30s' }),
    }),
  ],
})
