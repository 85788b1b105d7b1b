/** Data semantics (incomplete handling of versions). Found: fault that only one version knows. */
import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Each message has its language',
  classUpgrades: [
    upgradeClass({
      ...parts,
      records: { messages: (old) => old && { text: old.text, language: old.language!.toLowerCase() } },
      schedule: eagerly(),
    }),
  ],
})
