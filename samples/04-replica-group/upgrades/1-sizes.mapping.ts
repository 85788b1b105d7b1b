import { mapping } from 'theseus-actors/rehearsal'
import { ReplicaV1, ReplicaV2 } from '../replica.js'

/**
 * A replica's state is what its group has: the transform function discards it, but the mapping
 * function does not (§6, §7).
 */
export const toSizes = mapping({
  from: ReplicaV1,
  to: ReplicaV2,
  state: ({ entries }) => ({
    entries: Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, { value, bytes: Buffer.byteLength(value) }])),
  }),
  dependent: ['get', 'entries'],
})

export const fromSizes = mapping({
  from: ReplicaV2,
  to: ReplicaV1,
  state: ({ entries }) => ({
    entries: Object.fromEntries(Object.entries(entries ?? {}).map(([key, { value }]) => [key, value])),
  }),
  dependent: ['get', 'entries'],
})
