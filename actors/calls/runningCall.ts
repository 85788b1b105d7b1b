import type { CallerInfo } from '../../core/wire/callerInfo.js'

/** The part of the call being answered that is passed on to the calls made for it. */
export interface RunningCall {
  /** By the clock that never goes back. */
  readonly deadline: number
  readonly path: readonly string[]
  /** Sends of a running command wait here for its commit; of anything else they leave at once. */
  readonly sends: (() => void)[] | undefined
  /** Runs `giveUp` if the command fails whose commit those wait for, and its object may go on. */
  whenFailed(giveUp: () => void): void
  /** The trace context of what is made for it. A node without telemetry passes on what it was given. */
  readonly trace: string | null
  /** Undefined where nobody calls: in `start()` and `stop()`. */
  readonly caller: CallerInfo | undefined
  /** The calls that it has made and that have no answer yet. Undefined where nobody asks for them. */
  readonly callsMade?: Set<CallMade>
}

/** As much of a call as is asked of those that wait for their answers. */
export interface CallMade {
  readonly call: { readonly subject: string; readonly method: string }
}
