/**
 * `natsctl rollout abort`: an undo that pauses its version in the same order. Nodes that have not heard of
 * the undo do not go forward meanwhile; there is no half of it.
 */
import type { Version } from 'theseus-actors'
import { type ExitCode, Failure } from '../output/exitCodes.js'
import { byInverse, takeBack, type UndoFlags, type WayBack } from './rolloutUndo.js'

const byAborting: WayBack = {
  ...byInverse,
  verb: 'abort',
  check(undone) {
    try {
      byInverse.check(undone)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      const advice = `"natsctl rollout pause ${undone.version}" keeps the nodes that have not gone where they are`
      throw new Failure(error.exitCode, `${error.message}; ${advice}`, { cause: error })
    }
  },
  lines: () => ['no node goes forward any more: the version is paused in the same order'],
}

export function abort(asked: Version | undefined, flags: UndoFlags): Promise<ExitCode> {
  return takeBack(byAborting, asked, flags)
}
