import { command, futureSO, NodeObject, pastSO, query } from 'theseus-actors'
import { OrderV1 } from './v1.js'

export const stages = ['placed', 'paid', 'packed', 'shipped']

export class OrderV2 extends NodeObject<{ stage: number }> {
  static override readonly className = 'Order.v2'
  static override initial() {
    return { stage: 0 }
  }
  @command pay(): void {
    if (this.state.stage === 0) this.state.stage = 1
  }
  @command pack(): void {
    if (this.state.stage === 1) this.state.stage = 2
  }
  @command ship(): void {
    if (this.state.stage === 1 || this.state.stage === 2) this.state.stage = 3
  }
  @query stage(): string {
    return stages[this.state.stage]!
  }
}

export const ahead = futureSO({
  simulates: OrderV2,
  over: OrderV1,
  delegates: ['pay', 'ship', 'stage'],
  refuses: ['pack'],
  methods: {},
})

export const still = pastSO({
  simulates: OrderV1,
  over: OrderV2,
  delegates: ['pay', 'ship'],
  methods: {
    async stage() {
      const stage = await this.next.stage()
      return stage === 'packed' ? 'paid' : stage
    },
  },
})
