/** How a command ends that looked at a rollout, or waited for it. */
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import type { RolloutState } from './rolloutState.js'

/** @param waits whether somebody waited for it to be done */
export function rolloutExitCode({ state }: RolloutState, waits: boolean): ExitCode {
  switch (state) {
    case 'done':
      return exitCodes.done
    case 'empty':
      return waits ? exitCodes.timedOut : exitCodes.noResponder
    case 'moving':
      return waits ? exitCodes.timedOut : exitCodes.done
    case 'paused':
      return exitCodes.paused
    case 'degraded':
    case 'undone':
      return exitCodes.degraded
  }
}
