import { command, futureSO, NodeObject, notNeeded, query } from 'theseus-actors'

export class ParcelV1 extends NodeObject<{ place: string }> {
  static override readonly className = 'Parcel.v1'
  static override initial() {
    return { place: 'sender' }
  }
  @command arrive(place: string): void {
    this.state.place = place
  }
  @query place(): string {
    return this.state.place
  }
}

/** Since when it is there; null: nobody knows. */
export class ParcelV2 extends NodeObject<{ place: string; since: number | null }> {
  static override readonly className = 'Parcel.v2'
  static override initial() {
    return { place: 'sender', since: null as number | null }
  }
  @command arrive(place: string): void {
    this.state = { place, since: this.now() }
  }
  @query place(): string {
    return this.state.place
  }
  @query since(): number | null {
    return this.state.since
  }
}

export const parts = {
  oldClass: ParcelV1,
  newClass: ParcelV2,
  futureSO: futureSO({
    simulates: ParcelV2,
    over: ParcelV1,
    delegates: ['arrive', 'place'],
    refuses: ['since'],
    methods: {},
  }),
  pastSO: notNeeded,
} as const
