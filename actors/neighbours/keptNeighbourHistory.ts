/**
 * The history of a neighbour that a host keeps on its disk, where it is not the neighbour's any more: its
 * team has begun anew, or has other keys. A history that is shorter there is for the neighbour's own hosts to
 * mend.
 *
 * N4. A kept history that the neighbour's keys have not signed is dropped at the start. Another one that they
 *     have signed counts from the next start on: until then labels are of the one that is known.
 */
import { type Fault, isFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { thrownText } from '../../core/base/thrownText.js'
import type { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { pack } from '../../core/wire/codec.js'
import { type LostHistory, readVerified } from '../history/upgradeHistory.js'
import type { UpgradeServerClient } from '../history/upgradeServerClient.js'
import { askedKeys } from './neighbour.js'

/** There while the neighbour has another history than the one that is kept. */
const otherKey = 'other'

/** To be called before the history is read. `empty` is one that nothing was put into. */
export async function dropOtherHistory(
  kept: StateStore,
  system: string,
  empty: VerifiedHistory,
  observe: HostObserver,
): Promise<void> {
  const why = kept.get(otherKey) === undefined ? unreadable(kept, empty) : 'it has begun another one'
  if (why === undefined) return
  observe({
    type: 'warning',
    message: `the history of neighbour ${system} that was kept here is dropped: ${why}`,
    error: undefined,
  })
  const all = [keys.allManifests, askedKeys.all].flatMap(([from, to]) => [...kept.range(from, to)])
  await kept.commit([...all.map(([key]) => [key, null] as const), [otherKey, null]])
}

function unreadable(kept: StateStore, empty: VerifiedHistory): string | undefined {
  try {
    readVerified(kept, empty)
    return undefined
  } catch (error) {
    if (!isFault(error)) throw error
    return thrownText(error)
  }
}

export interface NeighbourKnown {
  readonly verified: VerifiedHistory
  /** One that nothing was put into. */
  readonly empty: () => VerifiedHistory
  readonly kept: StateStore
  readonly server: Pick<UpgradeServerClient, 'manifests'>
  readonly observe: HostObserver
}

/** An answer is the word of whoever gives it: only a history that the keys have signed is another one. */
export function neighbourRestore(system: string, { verified, empty, kept, server, observe }: NeighbourKnown): LostHistory {
  let found: 'nothing' | 'unsigned' | 'other' = 'nothing'
  let isLooking = false
  const tell = (message: string, error?: Fault) => observe({ type: 'warning', message, error })

  const look = async (version: Version) => {
    const other = empty()
    for (const signed of await server.manifests(1, version)) other.append(other.check(signed))
    if (other.head.digest === verified.at(version)?.digest) return
    found = 'other'
    await kept.commit([[otherKey, pack(true)]]).catch(() => {
      // Its next start hears it again.
    })
    tell(
      `neighbour ${system} has another history than the one that is known here: its versions count as they were until this host is started again`,
    )
  }
  const other = async (version: Version) => {
    if (isLooking || found === 'other') return
    isLooking = true
    try {
      await look(version)
    } catch (error) {
      // The next answer asks again.
      if (!isFault(error) || error.kind !== 'upgrade' || found === 'unsigned') return
      found = 'unsigned'
      tell(
        `neighbour ${system} is said to have another history, which its keys have not signed: the one that is known here stays`,
        error,
      )
    } finally {
      isLooking = false
    }
  }
  return {
    async heard({ version, digest }) {
      const known = verified.at(version)
      if (known !== undefined && known.digest !== digest) await other(version)
    },
    doesNotFollow: other,
  }
}
