/**
 * Questions to the upgrade servers of a neighbour. A neighbour asks, and teaches nothing: what has died or is
 * final there is not for it to say, and the history is not for it to give back.
 */
import { inject, injectable } from 'tsyringe'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import { CallTable } from '../calls/callTable.js'
import type { LostHistory } from '../history/upgradeHistory.js'
import { type EndedVersions, UpgradeServerClient } from '../history/upgradeServerClient.js'

@injectable()
export class NeighbourServerClient extends UpgradeServerClient {
  constructor(
    @inject(tokens.clock) clock: Clock,
    @inject(tokens.settings) settings: HostSettings,
    @inject(CallTable) calls: CallTable,
  ) {
    super(clock, settings, calls)
  }

  override head(ended?: EndedVersions): ReturnType<UpgradeServerClient['head']> {
    return super.head({ dead: 0, final: 0, ...(ended?.trust === undefined ? {} : { trust: ended.trust }) })
  }
}

/** A history that is shorter there, or another one, is for the neighbour's own hosts to mend. */
export function neighbourRestore(system: string, observe: HostObserver): LostHistory {
  return {
    heard: () => Promise.resolve(),
    async doesNotFollow(newest) {
      const message = `the history of neighbour ${system} does not go on from version ${newest}, the newest that this host has verified: calls are labelled as far as that`
      observe({ type: 'warning', message, error: undefined })
    },
  }
}
