/** All there is to see at one moment. */
import type { NodeHistory } from './historyScreen.js'
import type { Rates, VersionRates } from './rates.js'
import type { ScreenState } from './screenState.js'
import type { WatchedRollout } from './watchedRollout.js'

export interface ScreenContent {
  readonly system: string
  /** Undefined until the upgrade database has answered. */
  readonly watched: WatchedRollout | undefined
  readonly rates: readonly VersionRates[]
  readonly limits: Pick<Rates, 'limitOf'>
  readonly state: ScreenState
  /** Of the node whose history is open. */
  readonly history: NodeHistory | undefined
  /** The trouble of the look itself: the database is away. */
  readonly warning: string
  readonly now: number
}
