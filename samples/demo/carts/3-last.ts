import { defineUpgrade, futureSO, notNeeded, steps, upgradeClass } from 'theseus-actors'
import { CartsV1 } from './carts.v1.js'
import { CartsV2 } from './carts.v2.js'

const lastAhead = futureSO({
  simulates: CartsV2,
  over: CartsV1,
  initial: () => ({}),
  delegates: ['add', 'items'],
  methods: {
    async last() {
      return (await this.next.items()).at(-1) ?? null
    },
  },
})

export default defineUpgrade({
  title: 'A cart knows what was added last',
  classUpgrades: [
    upgradeClass({
      oldClass: CartsV1,
      newClass: CartsV2,
      futureSO: lastAhead,
      pastSO: notNeeded,
      transform: (old) => ({ items: old.items, last: old.items.at(-1) ?? null }),
      inverse: { transform: (now) => ({ items: now.items }), future: () => ({}) },
      // Some first: so there is a middle of the upgrade.
      schedule: steps(['3 nodes', 'all'], { bake: '1s' }),
    }),
  ],
})
