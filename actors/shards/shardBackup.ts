/**
 * A copy of a shard's state as its log tells it, while its owner goes on: the newest snapshot, and then what
 * was written behind it. Nothing is changed, and nobody is asked but the log.
 */
import { Fault, isFault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { ShardLog } from '../../core/ports/log.js'
import type { Write } from '../../core/ports/stateStore.js'
import { writesIn } from '../../core/store/snapshotSlices.js'
import { type LogEnd, LogTail } from './logTail.js'

/** How often a copy is begun. The owner cuts the log off, and deletes the snapshot, while it is read. */
const triesMax = 10

export interface CopyTarget {
  /** A copy is begun: what was taken of one before is void. */
  readonly begin: () => Promise<void>
  /** In order: each value takes the place of an earlier one, and null deletes it. */
  readonly take: (writes: readonly Write[]) => Promise<void>
}

/**
 * Resolves with the last entry that the copy holds. That is the log's end as the one who answers knows it
 * when it is asked first. Throws `config.log-lost` for a log that can't be restored from, and what `take`
 * throws.
 */
export async function copyShard(
  log: ShardLog,
  name: string,
  { begin, take }: CopyTarget,
  observe: HostObserver,
): Promise<LogEnd> {
  for (let tries = 1; ; tries++) {
    await begin()
    try {
      return await copyOnce(log, name, take, observe)
    } catch (error) {
      if (!isFault(error) || error.code !== 'config.log-lost' || tries === triesMax) throw error
    }
  }
}

async function copyOnce(log: ShardLog, name: string, take: CopyTarget['take'], observe: HostObserver): Promise<LogEnd> {
  const tail = new LogTail(log, name, observe)
  await tail.advance()
  const { snapshot, end } = tail
  if (snapshot !== undefined) for await (const writes of writesIn(log.snapshots.read(snapshot.name))) await take(writes)
  const after = snapshot?.from ?? 0
  const entries = new LogTail(log, name, () => {})
  for await (const { end: at, writes } of entries.read()) {
    checkWhole(entries, after, name)
    if (at.number > after && writes.length > 0) await take(writes)
    // One who has come later is not asked for.
    if (at.number >= end.number) return end
  }
  if (end.number === 0) return end
  throw new Fault('config.log-lost', `the log of ${name} ends before entry ${end.number}, which was there a moment ago`)
}

function checkWhole({ beginning }: LogTail, after: number, name: string): void {
  if (beginning.number <= after) return
  const message = `the log of ${name} begins behind entry ${beginning.number}, and no snapshot has what was before`
  throw new Fault('config.log-lost', message, { shard: name, trimmed: beginning.number })
}
