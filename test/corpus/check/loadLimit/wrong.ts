/** Data semantics (a limit that old data exceed). Found: throws. */
import { command, defineUpgrade, eagerly, futureSO, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { TruckV1 } from './v1.js'

class TruckV2 extends NodeObject<{ load: number }> {
  static override readonly className = 'Truck.v2'
  static override initial() {
    return { load: 0 }
  }
  protected override selfCheck(): void {
    if (this.state.load > 7_500) throw new RangeError(`${this.state.load} kg are too much`)
  }
  @command load(kilos: number): void {
    if (kilos > 7_500) throw new RangeError(`${kilos} kg are too much`)
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
            if (kilos > 7_500) throw new RangeError(`${kilos} kg are too much`)
            await this.next.load(kilos)
          },
        },
      }),
      pastSO: notNeeded,
      transform: ({ load }) => ({ load }),
      schedule: eagerly(),
    }),
  ],
})
