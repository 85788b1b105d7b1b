/**
 * Time as this process notices it, for a bound on what its own timers end. A process that waits
 * for a processor does not notice that: on a busy machine, which the wall clock does not
 * forgive, as little counts as on a quiet one.
 */
const tickMs = 5

/** How long it takes until `work` comes to an end, whichever. */
export async function processMsOf(work: () => Promise<unknown>): Promise<number> {
  let ticks = 0
  const ticking = setInterval(() => ticks++, tickMs)
  await work().catch(() => {})
  clearInterval(ticking)
  return ticks * tickMs
}
