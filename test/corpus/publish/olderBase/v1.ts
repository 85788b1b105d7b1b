import { NodeObject, query } from 'theseus-actors'

export class ClockV1 extends NodeObject<{ seconds: number }> {
  static override readonly className: string = 'Clock.v1'
  static override initial() {
    return { seconds: 0 }
  }
  @query seconds(): number {
    return this.state.seconds
  }
}

/** From another team, and published already. */
export class ClockV2 extends ClockV1 {
  static override readonly className: string = 'Clock.v2'
}

export class ClockV3 extends ClockV1 {
  static override readonly className = 'Clock.v3'
}
