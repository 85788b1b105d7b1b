/** Time is a parameter, so that a rehearsal can move it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Runs `action` once after `ms`. Returns what cancels it. Does not keep a process alive. */
  after(ms: number, action: () => void): () => void
  /** Runs `action` at the end of this turn of the loop, after everything that is ready now. */
  turn(action: () => void): void
}
