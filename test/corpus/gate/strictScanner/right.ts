import { command, defineUpgrade, NodeObject, notNeeded, steps, upgradeClass } from 'theseus-actors'
import { ScannerV1 } from './v1.js'

class ScannerV2 extends NodeObject<{ last: string }> {
  static override readonly className = 'Scanner.v2'
  static override initial() {
    return { last: '' }
  }
  @command scan(code: string): void {
    this.state.last = code
  }
}

export default defineUpgrade({
  title: 'Codes are checked',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: ScannerV1, newClass: ScannerV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ last }) => ({ last }),
      schedule: steps(['1 node', 'all'], { bake: '30s' }),
    }),
  ],
  gate: { callsMin: 30 },
})
