/** All there is to see at one moment. */
import type { Heard } from './historyScreen.js'
import type { Watched } from './model.js'
import type { Rates, VersionRates } from './rates.js'
import type { ScreenState } from './screenState.js'

export interface Picture {
  readonly system: string
  /** Undefined until the upgrade database has answered. */
  readonly watched: Watched | undefined
  readonly rates: readonly VersionRates[]
  readonly limits: Pick<Rates, 'limitOf'>
  readonly state: ScreenState
  /** Of the node whose history is open. */
  readonly history: Heard | undefined
  /** The trouble of the look itself: the database is away. */
  readonly warning: string
  readonly now: number
}
