import { defineUpgrade, futureSO, gradually, notNeeded, upgradeClass } from 'theseus-actors'
import { PagesV1 } from '../pages.v1.js'
import { PagesV2 } from '../pages.v2.js'

/**
 * PagesV2 on top of PagesV1: pages are the old object's, comments are kept here until the node
 * upgrades (§7.1).
 */
const commentsAhead = futureSO({
  simulates: PagesV2,
  over: PagesV1,
  initial: (): { comments: Record<string, string[]> } => ({ comments: {} }),
  delegates: ['put', 'get'],
  methods: {
    comment(url, text) {
      const comments = (this.state.comments[url] ??= [])
      return comments.push(text)
    },
    comments(url) {
      return this.state.comments[url] ?? []
    },
  },
})

export default defineUpgrade({
  title: 'Readers can comment on a page',
  classUpgrades: [
    upgradeClass({
      oldClass: PagesV1,
      newClass: PagesV2,
      futureSO: commentsAhead,
      pastSO: notNeeded, // PagesV2 is a subtype of PagesV1
      transform: (old, future) => ({ pages: old.pages, comments: future.comments }),
      // Back: the pages are the object's again, and the future-SO keeps the comments until
      // somebody wants them back.
      inverse: {
        transform: (now) => ({ pages: now.pages }),
        future: (now) => ({ comments: now.comments }),
      },
      schedule: gradually({ every: '300ms', probability: 0.4 }),
    }),
  ],
})
