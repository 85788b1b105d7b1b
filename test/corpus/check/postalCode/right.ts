import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { AddressV1 } from './v1.js'

/** The number for the index stands beside the code: 01067 is not 1067. */
class AddressV2 extends NodeObject<{ code: string; index: number | null }> {
  static override readonly className = 'Address.v2'
  static override initial() {
    return { code: '', index: null }
  }
  @command move(code: string): void {
    this.state.code = code
    this.state.index = indexOf(code)
  }
  @query code(): string {
    return this.state.code
  }
}

function indexOf(code: string): number | null {
  return /^\d+$/.test(code) ? Number(code) : null
}

export default defineUpgrade({
  title: 'Codes have numbers',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: AddressV1, newClass: AddressV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ code }) => ({ code, index: indexOf(code) }),
      schedule: eagerly(),
    }),
  ],
})
