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
}

export function callerInfo(
  { caller, callerClass, callerVersion }: Pick<CallEnvelope, 'caller' | 'callerClass' | 'callerVersion'>,
  name: string | undefined,
): CallerInfo {
  return { name: name ?? null, node: caller, className: callerClass, version: callerVersion }
}
