/** Data syntax (field retyped). Found: inconsistent answer; forgotten state. */
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { AddressV1 } from './v1.js'

/** Codes are numbers, which an index finds faster. */
class AddressV2 extends NodeObject<{ code: number }> {
  static override readonly className = 'Address.v2'
  static override initial() {
    return { code: 0 }
  }
  @command move(code: string): void {
    this.state.code = Number(code)
  }
  @query code(): string {
    return String(this.state.code)
  }
}

export default defineUpgrade({
  title: 'Codes are numbers',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: AddressV1, newClass: AddressV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ code }) => ({ code: Number(code) }),
      schedule: eagerly(),
    }),
  ],
})
