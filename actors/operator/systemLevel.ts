/** The level of a system, and who keeps it from being raised. */
import type { Level } from '../../core/base/level.js'
import type { Reader } from '../../core/control/readers.js'

export interface SystemLevel {
  readonly level: Level
  readonly newest: Level
  /** Hosts, alive or not, and upgrade servers. */
  readonly readers: readonly Reader[]
  readonly behind: readonly Reader[]
}
