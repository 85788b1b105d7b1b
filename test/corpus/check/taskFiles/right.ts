import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { TaskV1, TaskV2 } from './v1.js'

export default defineUpgrade({
  title: 'Tasks can be done',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: TaskV1, newClass: TaskV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: async ({ title }, _future, collections) => {
        await collections.carry('files')
        return { title, isDone: false }
      },
      schedule: eagerly(),
    }),
  ],
})
