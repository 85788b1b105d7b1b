/** Upgrade operation (schedules that wait for each other). Found: no node of these would ever upgrade. */
import { afterMyServers, defineUpgrade, upgradeClass } from 'theseus-actors'
import { kitchens, waiters } from './v1.js'

export default defineUpgrade({
  title: 'Waiters and kitchens',
  classUpgrades: [
    upgradeClass({ ...kitchens, schedule: afterMyServers('waiter') }),
    upgradeClass({ ...waiters, schedule: afterMyServers('kitchen') }),
  ],
})
