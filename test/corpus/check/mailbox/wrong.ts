/** Data semantics (a default that means something else). Found: inconsistent answer; forgotten state. */
import { defineUpgrade, eagerly, futureSO, notNeeded, upgradeClass } from 'theseus-actors'
import { MailboxV1, MailboxV2 } from './v1.js'

export default defineUpgrade({
  title: 'Mailboxes can be closed',
  classUpgrades: [
    upgradeClass({
      oldClass: MailboxV1,
      newClass: MailboxV2,
      futureSO: futureSO({
        simulates: MailboxV2,
        over: MailboxV1,
        delegates: ['limit', 'take'],
        refuses: ['close'],
        methods: {},
      }),
      pastSO: notNeeded,
      transform: ({ quota, used }) => ({ quota, used }),
      schedule: eagerly(),
    }),
  ],
})
