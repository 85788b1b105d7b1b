import type { Clock } from '../core/ports/clock.js'

/** setTimeout takes no more than this, 24.8 days, and fires at once beyond it. */
const timerMsMax = 2 ** 31 - 1

/** Real time. The one place of the runtime that reads it. */
export const systemClock: Clock = {
  now: () => Date.now(),
  // Whole milliseconds are small integers, which are cheaper to keep.
  monotonicMs: () => Math.floor(performance.now()),
  after(ms, action) {
    if (ms <= timerMsMax) {
      const timer = setTimeout(action, ms).unref()
      return () => clearTimeout(timer)
    }
    return afterLong(ms, action)
  },
  turn: (action) => void setImmediate(action),
}

/** A wait that is longer than one timer can be, as one timer after the other. */
function afterLong(ms: number, action: () => void): () => void {
  let leftMs = ms
  let timer: NodeJS.Timeout
  const arm = (): void => {
    const pieceMs = Math.min(leftMs, timerMsMax)
    leftMs -= pieceMs
    timer = setTimeout(() => (leftMs > 0 ? arm() : action()), pieceMs).unref()
  }
  arm()
  return () => clearTimeout(timer)
}
