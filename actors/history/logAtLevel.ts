import { toFault } from '../../core/base/fault.js'
import type { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { StateStore } from '../../core/ports/stateStore.js'

/** The number of format `store` with which a state directory has a log. */
const logFormat = 2

/**
 * T2. Tells the store that it may keep a log, once the signed history allows one: before, a release that
 * reads none could have to go on with the directory. A store that can't begin one goes on as it was.
 */
export async function keepLogAtLevel(store: StateStore, { level }: VerifiedHistory, observe: HostObserver): Promise<void> {
  if (level.store < logFormat) return
  try {
    await store.keepLog?.()
  } catch (error) {
    observe({ type: 'warning', message: 'the state directory has no log yet', error: toFault(error, 'unavailable.storage') })
  }
}
