import { defineUpgrade, eagerly, notNeeded, upgradeClass } from 'theseus-actors'
import { DeviceV1 } from './v1.js'

class DeviceV2 extends DeviceV1 {
  static override readonly className = 'Device.v2' as never
}

export default defineUpgrade({
  title: 'Devices for the new hosts',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: DeviceV1, newClass: DeviceV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ seen }) => ({ seen }),
      schedule: eagerly(),
    }),
  ],
})
