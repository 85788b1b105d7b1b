/** Where a call of an operator goes. */
import { shardOf } from '../../core/model/shard.js'
import type { Subjects } from '../../core/wire/subjects.js'
import type { ShardSeen } from './shardsSeen.js'

export type CallTarget = { readonly node: string; readonly shardOf?: ShardSeen } | { readonly service: string }

export function subjectOfCall(subjects: Subjects, target: CallTarget): string {
  if ('service' in target) return subjects.service(target.service)
  const { node, shardOf: shard } = target
  return shard === undefined ? subjects.node(node) : subjects.shard(shard.service, shardOf(node, shard.of), node)
}
