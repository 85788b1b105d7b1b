import {
  applicationFault,
  command,
  defineUpgrade,
  eagerly,
  futureSO,
  NodeObject,
  pastSO,
  query,
  upgradeClass,
} from 'theseus-actors'
import { TruckV1 } from './v1.js'

/** The limit holds for new loads alone. */
class TruckV2 extends NodeObject<{ load: number }> {
  static override readonly className = 'Truck.v2'
  static override initial() {
    return { load: 0 }
  }
  @command load(kilos: number): void {
    if (kilos > 7_500) throw applicationFault('too-heavy', `${kilos} kg are too much`)
    this.state.load = kilos
  }
  @query kilos(): number {
    return this.state.load
  }
}

export default defineUpgrade({
  title: 'Trucks have a limit',
  classUpgrades: [
    upgradeClass({
      oldClass: TruckV1,
      newClass: TruckV2,
      futureSO: futureSO({
        simulates: TruckV2,
        over: TruckV1,
        delegates: ['kilos'],
        methods: {
          async load(kilos) {
            if (kilos > 7_500) throw applicationFault('too-heavy', `${kilos} kg are too much`)
            await this.next.load(kilos)
          },
        },
      }),
      pastSO: pastSO({
        simulates: TruckV1,
        over: TruckV2,
        delegates: ['kilos'],
        methods: {
          async load(kilos) {
            if (kilos > 7_500) return this.refuse('trucks have a limit now')
            await this.next.load(kilos)
          },
        },
      }),
      transform: ({ load }) => ({ load }),
      schedule: eagerly(),
    }),
  ],
})
