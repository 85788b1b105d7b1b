import { NodeObject, notNeeded, query } from 'theseus-actors'

class ReplicaV1 extends NodeObject<object> {
  static override readonly className: string = 'Replica.v1'
  @query isUp(): boolean {
    return true
  }
}

class ReplicaV2 extends ReplicaV1 {
  static override readonly className = 'Replica.v2'
}

export const parts = {
  ...{ oldClass: ReplicaV1, newClass: ReplicaV2, futureSO: notNeeded, pastSO: notNeeded, transform: () => ({}) },
} as const

/** Two sets of three. */
export const nodes = ['a-1', 'a-2', 'a-3', 'b-1', 'b-2', 'b-3'].map((nodeId) => ({
  nodeId,
  service: 'replica',
  className: 'Replica.v1',
}))
