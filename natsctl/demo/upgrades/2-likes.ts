import { defineUpgrade, futureSO, gradually, pastSO, upgradeClass } from 'theseus-actors'
import { PagesV2 } from '../pages.v2.js'
import { PagesV3 } from '../pages.v3.js'

/**
 * Likes are independent of version 2, so they are kept here; the comments themselves are the old object's.
 */
const likesAhead = futureSO({
  simulates: PagesV3,
  over: PagesV2,
  initial: (): { likes: Record<string, Record<number, number>> } => ({ likes: {} }),
  delegates: ['put', 'get', 'comment'],
  methods: {
    async comments(url) {
      const texts = await this.next.comments(url)
      return texts.map((text, index) => ({ text, likes: this.state.likes[url]?.[index] ?? 0 }))
    },
    async like(url, index) {
      if ((await this.next.comments(url))[index] === undefined) return 0
      const likes = (this.state.likes[url] ??= {})
      likes[index] = (likes[index] ?? 0) + 1
      return likes[index]
    },
  },
})

const withoutLikes = pastSO({
  simulates: PagesV2,
  over: PagesV3,
  delegates: ['put', 'get', 'comment'],
  methods: {
    async comments(url) {
      return (await this.next.comments(url)).map(({ text }) => text)
    },
  },
})

export default defineUpgrade({
  title: 'Comments can be liked',
  classUpgrades: [
    upgradeClass({
      oldClass: PagesV2,
      newClass: PagesV3,
      futureSO: likesAhead,
      pastSO: withoutLikes,
      transform: (old, future) => ({
        pages: old.pages,
        comments: Object.fromEntries(
          Object.entries(old.comments).map(([url, texts]) => [
            url,
            texts.map((text, index) => ({ text, likes: future.likes[url]?.[index] ?? 0 })),
          ]),
        ),
      }),
      schedule: gradually({ every: '300ms', probability: 0.4 }),
    }),
  ],
})
