/** Looks at the upgrade database again and again, never faster than the last answer came back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { isFault, type NodeRow, type Operator, type Version } from 'theseus'

export interface Snapshot {
  readonly newest: Version
  readonly rows: readonly NodeRow[]
}

export const pollMs = 250

export async function look(operator: Operator): Promise<Snapshot> {
  const [{ version }, rows] = await Promise.all([operator.database.head(), operator.database.nodes()])
  return { newest: version, rows }
}

/** One look after the other until `signal`. A database that is away for a while is told once, and asked again. */
export async function* looks<T>(signal: AbortSignal, tell: (line: string) => void, read: () => Promise<T>): AsyncGenerator<T> {
  let isAway = false
  while (!signal.aborted) {
    let seen: { readonly value: T } | undefined
    try {
      // Whoever has seen enough does not wait for a database that is away.
      seen = await unlessAborted(signal, read())
      isAway = false
    } catch (error) {
      if (!isFault(error) || (error.kind !== 'unavailable' && error.kind !== 'timeout')) throw error
      if (!isAway) tell(`${error.code}: ${error.message}; trying again`)
      isAway = true
    }
    if (seen !== undefined) yield seen.value
    await sleep(pollMs, undefined, { signal }).catch(() => {})
  }
}

function unlessAborted<T>(signal: AbortSignal, reading: Promise<T>): Promise<{ readonly value: T } | undefined> {
  return new Promise((resolve, reject) => {
    const stop = () => resolve(undefined)
    signal.addEventListener('abort', stop, { once: true })
    reading.then((value) => resolve({ value }), reject).finally(() => signal.removeEventListener('abort', stop))
  })
}
