import { defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { parts } from './v1.js'

export default defineUpgrade({
  title: 'Each message has its language',
  classUpgrades: [
    upgradeClass({
      ...parts,
      records: { messages: (old) => old && { text: old.text, language: old.language?.toLowerCase() ?? 'en' } },
      schedule: eagerly(),
    }),
  ],
})
