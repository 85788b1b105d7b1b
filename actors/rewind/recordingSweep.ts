/** Sweeps recordings by which nobody goes back any more: the kept generation, and the operations since. */
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { keys, type NodeRecord } from '../../core/model/nodeRecord.js'
import { isLeftBehind } from '../../core/upgrade/generations.js'
import type { HostSettings } from '../base/settings.js'
import type { Journal } from '../state/journal.js'
import { sweepRange, sweepStateSlots } from '../state/transformRun.js'

export interface SweptNode {
  readonly recordStore: { readonly record: NodeRecord }
  readonly services: { readonly journal: Journal; readonly settings: HostSettings; readonly observe: HostObserver }
}

/** The operations go last: where some are there, the next start of the node sweeps what is left. */
export async function sweepRecordings({ recordStore, services: { journal, settings, observe } }: SweptNode): Promise<void> {
  const { nodeId } = recordStore.record
  const [from, to] = unneeded(recordStore.record)
  try {
    await sweepStateSlots(nodeId, (of) => isLeftBehind(recordStore.record, of), journal, settings)
    await sweepRange(from, to, journal, settings)
  } catch (error) {
    observe({ type: 'warning', message: `${nodeId}: the old generation is not swept yet`, error })
  }
}

/** For a node that starts. Nothing is gone through where no operation is left. */
export async function sweepLeftRecordings(node: SweptNode): Promise<void> {
  if (isAnyLeft(node)) await sweepRecordings(node)
}

/** A store that can't be read, or is closed by now, has nothing to sweep. */
function isAnyLeft({ recordStore, services }: SweptNode): boolean {
  try {
    for (const _ of services.journal.range(...unneeded(recordStore.record))) return true
  } catch {}
  return false
}

/** Up to the recording that it may go back by; those of later versions are of flips that come meanwhile. */
function unneeded({ nodeId, generation, rewind }: NodeRecord): readonly [from: string, to: string] {
  const [from] = keys.allOperations(nodeId)
  const isKept = rewind?.phase === 'recording'
  return [from, isKept ? keys.operations(nodeId, rewind.target)[0] : keys.operations(nodeId, generation.version)[1]]
}
