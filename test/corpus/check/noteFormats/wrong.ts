/** Data semantics (incomplete handling of versions). Found: inconsistent answer; forgotten state. */
import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { NotesV2, NotesV3 } from './v1.js'

export default defineUpgrade({
  title: 'Notes are of one kind',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: NotesV2, newClass: NotesV3, futureSO: notNeeded, pastSO: notNeeded },
      transform: () => ({}),
      records: { notes: (old) => (typeof old === 'object' ? old : undefined) },
      schedule: eagerly(),
    }),
  ],
})
