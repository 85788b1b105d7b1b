import { NodeObject, notNeeded, query } from 'theseus-actors'

class ProbeV1 extends NodeObject<object> {
  static override readonly className: string = 'Probe.v1'
  @query isUp(): boolean {
    return true
  }
}

class ProbeV2 extends ProbeV1 {
  static override readonly className = 'Probe.v2'
}

export const parts = {
  ...{ oldClass: ProbeV1, newClass: ProbeV2, futureSO: notNeeded, pastSO: notNeeded, transform: () => ({}) },
} as const
