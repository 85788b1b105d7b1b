/** Data syntax (format). Found: inconsistent answer; forgotten state. */
import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { RecipeV1, RecipeV2 } from './v1.js'

export default defineUpgrade({
  title: 'Tags are a list',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: RecipeV1, newClass: RecipeV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ tags }) => ({ tags: tags.split(',') }),
      schedule: eagerly(),
    }),
  ],
})
