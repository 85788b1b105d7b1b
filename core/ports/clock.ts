/** Time is a parameter, so that a rehearsal can move it. */
export interface Clock {
  /**
   * Milliseconds since 1970: for people, and for what crosses hosts. Can be set back and
   * forward, by hours, at any moment.
   */
  now(): number
  /**
   * Milliseconds since some moment before: for every interval. Never goes back, and does not follow when the
   * time of day is set. It says nothing to another process, or after a restart.
   */
  monotonicMs(): number
  /** Runs `action` once after `ms`. Returns what cancels it. Does not keep a process alive. */
  after(ms: number, action: () => void): () => void
  /** Runs `action` at the end of this turn of the loop, after everything that is ready now. */
  turn(action: () => void): void
}

/** A clock of before `monotonicMs`. */
export type WallClock = Omit<Clock, 'monotonicMs'>

const beatMs = 1_000

/**
 * Makes a monotonic clock of one that knows the time of day only. Its timers are believed: a beat of one
 * second took one second, or up to two where the process was busy, whatever the time of day says.
 */
export function withMonotonic(clock: Clock | WallClock): Clock {
  if ('monotonicMs' in clock) return clock
  let beganMs = clock.now()
  let passedMs = beganMs
  let readMs = passedMs
  const since = (leastMs: number, mostMs: number) => Math.min(mostMs, Math.max(leastMs, clock.now() - beganMs))
  const beat = (): void => {
    clock.after(beatMs, () => {
      passedMs += since(beatMs, 2 * beatMs)
      beganMs = clock.now()
      beat()
    })
  }
  beat()
  return {
    now: () => clock.now(),
    monotonicMs: () => (readMs = Math.max(readMs, passedMs + since(0, beatMs))),
    after: (ms, action) => clock.after(ms, action),
    turn: (action) => clock.turn(action),
  }
}
