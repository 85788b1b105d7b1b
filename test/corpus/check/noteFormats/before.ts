import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { toV2 } from './v1.js'

export default defineUpgrade({
  title: 'Notes are pinned',
  classUpgrades: [
    upgradeClass({
      ...toV2,
      transform: async (_old, _future, collections) => {
        await collections.carry('notes')
        return {}
      },
      schedule: eagerly(),
    }),
  ],
})
