import { command, NodeObject, query } from 'theseus-actors'

const stages = ['placed', 'paid', 'shipped']

/** The state keeps the number of the stage. */
export class OrderV1 extends NodeObject<{ stage: number }> {
  static override readonly className = 'Order.v1'
  static override initial() {
    return { stage: 0 }
  }
  @command pay(): void {
    if (this.state.stage === 0) this.state.stage = 1
  }
  @command ship(): void {
    if (this.state.stage === 1) this.state.stage = 2
  }
  @query stage(): string {
    return stages[this.state.stage]!
  }
}
