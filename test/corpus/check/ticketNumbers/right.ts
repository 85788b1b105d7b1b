import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'
import { TicketsV1 } from './v1.js'

class TicketsV2 extends NodeObject<{ last: number; open: Record<string, string> }> {
  static override readonly className = 'Tickets.v2'
  static override initial() {
    return { last: 0, open: {} as Record<string, string> }
  }
  @command file(text: string): number {
    this.state.open[++this.state.last] = text
    return this.state.last
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
      transform: ({ next, open }) => ({ last: next - 1, open }),
      schedule: eagerly(),
    }),
  ],
})
