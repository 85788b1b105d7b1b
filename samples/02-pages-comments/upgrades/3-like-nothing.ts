import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { PagesV3 } from '../pages.v3.js'
import { PagesV4 } from '../pages.v4.js'

export default defineUpgrade({
  title: 'Liking a comment that does not exist fails',
  classUpgrades: [
    upgradeClass({
      oldClass: PagesV3,
      newClass: PagesV4,
      futureSO: notNeeded, // the same type
      pastSO: notNeeded,
      transform: (old) => ({ pages: old.pages, comments: old.comments }),
      // The one difference that callers may see.
      changes: { like: 'fails for a comment that does not exist' },
      schedule: eagerly(),
    }),
  ],
})
