import { afterMyServers, defineUpgrade, eagerly, upgradeClass } from 'theseus-actors'
import { kitchens, waiters } from './v1.js'

export default defineUpgrade({
  title: 'Waiters and kitchens',
  classUpgrades: [
    upgradeClass({ ...kitchens, schedule: eagerly() }),
    upgradeClass({ ...waiters, schedule: afterMyServers('kitchen') }),
  ],
})
