/** Data semantics (ids that are used again). Found: inconsistent answer; forgotten state. */
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { TicketsV1 } from './v1.js'

/** The next number need not be kept: it is one more than the largest. */
class TicketsV2 extends NodeObject<{ open: Record<string, string> }> {
  static override readonly className = 'Tickets.v2'
  static override initial() {
    return { open: {} as Record<string, string> }
  }
  @command file(text: string): number {
    const number = Math.max(0, ...Object.keys(this.state.open).map(Number)) + 1
    this.state.open[number] = text
    return number
  }
  @command close(number: number): void {
    delete this.state.open[number]
  }
  @query text(number: number): string | null {
    return this.state.open[number] ?? null
  }
}

export default defineUpgrade({
  title: 'Tickets are counted',
  classUpgrades: [
    upgradeClass({
      ...{ oldClass: TicketsV1, newClass: TicketsV2, futureSO: notNeeded, pastSO: notNeeded },
      transform: ({ open }) => ({ open }),
      schedule: eagerly(),
    }),
  ],
})
