/**
 * Questions to the upgrade servers of a neighbour. A neighbour asks, and teaches nothing: what has died or is
 * final there is not for it to say, and the history is not for it to give back.
 */
import { inject, injectable } from 'tsyringe'
import type { Clock } from '../../core/ports/clock.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import { CallTable } from '../calls/callTable.js'
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
