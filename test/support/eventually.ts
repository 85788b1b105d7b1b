import { VirtualClock } from './virtualClock.js'

const pollMs = 2
/** A condition that takes no longer than the loop needs should not wait for a timer. */
const pollsByTurn = 20

/** It ends a wait that would never end. It measures nothing: a busy machine may take most of it. */
const waitMsMax = 60_000

/**
 * Waits until `condition` gives something true, and returns it. Rejects after a minute with what was waited
 * for; what the condition throws ends the wait at once.
 */
export async function until<T>(condition: () => T | Promise<T>, what: string): Promise<T> {
  const deadline = performance.now() + waitMsMax
  for (let polls = 0; ; polls++) {
    const found = await condition()
    if (found) return found
    if (performance.now() > deadline) throw new Error(`waited ${waitMsMax} ms in vain until ${what}`)
    await new Promise<void>(
      (resolve) => void (polls < pollsByTurn || VirtualClock.isRunning ? setImmediate(resolve) : setTimeout(resolve, pollMs)),
    )
  }
}
