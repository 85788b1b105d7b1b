import { NodeObject, notNeeded, query } from 'theseus-actors'

class MirrorV1 extends NodeObject<object> {
  static override readonly className: string = 'Mirror.v1'
  @query isUp(): boolean {
    return true
  }
}

class MirrorV2 extends MirrorV1 {
  static override readonly className = 'Mirror.v2'
}

export const parts = {
  ...{ oldClass: MirrorV1, newClass: MirrorV2, futureSO: notNeeded, pastSO: notNeeded, transform: () => ({}) },
} as const

export const next: Readonly<Record<string, string>> = { m1: 'm2', m2: 'm3', m3: 'm1' }

/** Each copies from the next one. */
export const nodes = Object.keys(next).map((nodeId) => ({ nodeId, service: 'mirror', className: 'Mirror.v1' }))
