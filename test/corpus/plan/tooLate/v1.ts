import { NodeObject, notNeeded, query } from 'theseus-actors'

class MeterV1 extends NodeObject<object> {
  static override readonly className: string = 'Meter.v1'
  @query isUp(): boolean {
    return true
  }
}

class MeterV2 extends MeterV1 {
  static override readonly className = 'Meter.v2'
}

export const parts = {
  ...{ oldClass: MeterV1, newClass: MeterV2, futureSO: notNeeded, pastSO: notNeeded, transform: () => ({}) },
} as const

/** Forty, which take three seconds each. */
export const nodes = Array.from({ length: 40 }, (_, i) => ({ nodeId: `m${10 + i}`, service: 'meter', className: 'Meter.v1' }))
