/** The logs of a sharded service, as commands open them. */
import { jetStreamLogs } from 'theseus-actors/jetstream'
import type { ShardLogs } from 'theseus-actors/operator'
import type { GlobalFlags } from '../context/flags.js'
import { systemIn, targetOf } from '../context/target.js'
import { note } from '../output/output.js'

/**
 * @param replicas of logs that are made; those that are there may have any number
 */
export async function withShardLogs<T>(
  flags: GlobalFlags,
  replicas: number,
  use: (logs: ShardLogs, system: string) => Promise<T>,
): Promise<T> {
  const target = await targetOf(flags)
  const system = systemIn(target)
  const logs = jetStreamLogs({ ...target.nats, system, replicas, name: `natsctl ${system} logs`, onWarning: note })
  try {
    return await use(logs, system)
  } finally {
    await logs.close()
  }
}
