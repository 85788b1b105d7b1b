/** Another host may have taken a node of a shard to a version that this one has not heard of yet. */
import { checkRecord, keys } from '../../core/model/nodeRecord.js'
import { unpack } from '../../core/wire/codec.js'
import type { ShardServices } from './shardServices.js'

export async function knowVersionsOf(nodeId: string, { journal, intake, history }: ShardServices): Promise<void> {
  const stored = journal.get(keys.record(nodeId))
  if (stored === undefined) return
  const { oldest, newest, generation, upgrade } = checkRecord(unpack(stored))
  const needed = Math.max(newest, generation.version, upgrade?.target ?? 0)
  if (needed > history.newest) await intake.manifests(needed)
  // Nor does a rejection here speak of a version that the node has run elsewhere since.
  for (let version = oldest + 1; version <= generation.version; version++)
    if (history.whyNot(version) !== undefined) history.reconsider(version)
}
