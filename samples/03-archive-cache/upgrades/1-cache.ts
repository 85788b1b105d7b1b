import { defineUpgrade, futureSO, pastSO, schedule, upgradeClass } from 'theseus-actors'
import { Archive } from '../archive.js'
import { Cache } from '../cache.js'

const itemsMax = 4

/**
 * An archive has no removals, so there are none yet (§7.1, condition 2). It has no state: all
 * that it shows is the archive's.
 */
const cacheAhead = futureSO({
  simulates: Cache,
  over: Archive,
  delegates: ['add', 'has'],
  refuses: ['remove'],
  methods: {},
})

/**
 * A cache knows that an item is there, but not that it never was; and an archive's "no" means
 * just that (§7.2).
 */
const archiveStill = pastSO({
  simulates: Archive,
  over: Cache,
  delegates: ['add'],
  methods: {
    async has(item) {
      if (await this.next.has(item)) return true
      return this.refuse(`${item} is not there, but it may have been removed`)
    },
  },
})

export default defineUpgrade({
  title: 'Items can be removed',
  classUpgrades: [
    upgradeClass({
      oldClass: Archive,
      newClass: Cache,
      futureSO: cacheAhead,
      pastSO: archiveStill, // Cache has every method of Archive, but it is no subtype: see README.md
      transform: async (_old, _future, collections) => {
        await collections.carry('items')
        return {}
      },
      schedule: schedule(`when the archive holds ${itemsMax} items`, async (view) => {
        const isFull = () => [...view.collection('items').entries({ limit: itemsMax })].length === itemsMax
        while (!isFull()) await view.sleep(20)
      }),
    }),
  ],
})
