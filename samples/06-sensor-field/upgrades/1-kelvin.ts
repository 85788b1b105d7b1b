import { allOf, defineUpgrade, futureSO, gradually, keepCovered, notNeeded, upgradeClass } from 'theseus-actors'
import { neighbours } from '../field.js'
import { SensorV1, SensorV2 } from '../sensor.js'

export default defineUpgrade({
  title: 'Sensors measure in kelvin',
  classUpgrades: [
    upgradeClass({
      oldClass: SensorV1,
      newClass: SensorV2,
      futureSO: futureSO({
        simulates: SensorV2,
        over: SensorV1,
        delegates: ['measured', 'celsius'],
        methods: {
          async kelvin() {
            return (await this.next.celsius()) + 273.15
          },
        },
      }),
      pastSO: notNeeded,
      transform: (old) => ({ kelvin: old.celsius + 273.15 }),
      // A coin now and then, and only while two others serve at every place that this sensor covers.
      schedule: allOf(gradually({ every: '300ms', probability: 0.5 }), keepCovered(neighbours, 2)),
    }),
  ],
})
