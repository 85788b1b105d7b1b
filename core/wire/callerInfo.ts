/** The caller of the call that is being answered, as the called node sees it. */

import type { Version } from '../base/ids.js'
import type { CallEnvelope } from './envelope.js'

export interface CallerInfo {
  /**
   * The name that NATS vouches for (docs/security.md); null where callers have none. Nobody can call under a
   * name that is not its own.
   */
  readonly name: string | null
  /** The calling node, or the host outside any node. This and what follows, the caller says of itself. */
  readonly node: string
  readonly className: string
  readonly version: Version
  /** Its system and host; left out where it does not tell: its system's level is below envelope format 2. */
  readonly system?: string
  readonly host?: string
}

export function callerInfo(
  { caller, callerClass, callerVersion, origin }: Pick<CallEnvelope, 'caller' | 'callerClass' | 'callerVersion' | 'origin'>,
  name: string | undefined,
): CallerInfo {
  const info = { name: name ?? null, node: caller, className: callerClass, version: callerVersion }
  return origin == null ? info : { ...info, system: origin.system, host: origin.host }
}
