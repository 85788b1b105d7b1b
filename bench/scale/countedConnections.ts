/**
 * The ways of a host to the world, counted: what it asks of the database, sends, commits, and
 * has the clock do.
 */

import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import type { Clock } from 'theseus-actors/ports'
import { redis } from 'theseus-actors/redis'
import { watched } from '../processes/callObserver.js'

export interface Counts {
  messages: number
  subscriptions: number
  commits: number
  /** Keys written or deleted by them. */
  writes: number
  timers: number
  /** Requests by name. */
  readonly database: Record<string, number>
}

export function noCounts(): Counts {
  return { messages: 0, subscriptions: 0, commits: 0, writes: 0, timers: 0, database: {} }
}

/** The counts since then. */
export function since(before: Counts, now: Counts): Counts {
  const database = Object.entries(now.database).map(([name, count]) => [name, count - (before.database[name] ?? 0)] as const)
  return {
    messages: now.messages - before.messages,
    subscriptions: now.subscriptions - before.subscriptions,
    commits: now.commits - before.commits,
    writes: now.writes - before.writes,
    timers: now.timers - before.timers,
    database: Object.fromEntries(database.filter(([, count]) => count > 0)),
  }
}

export function countedConnections(
  urls: { readonly natsUrl: string; readonly redisUrl: string },
  directory: string,
  counts: Counts,
) {
  const [transports, databases, stores] = [nats(urls.natsUrl), redis(urls.redisUrl), lmdb(directory)]
  return {
    transport: {
      connect: async (options: Parameters<typeof transports.connect>[0]) =>
        watched(await transports.connect(options), (name) => {
          if (name === 'publish') counts.messages++
          if (name === 'subscribe') counts.subscriptions++
        }),
    },
    udb: {
      open: async (...args: Parameters<typeof databases.open>) =>
        watched(await databases.open(...args), (name) => {
          counts.database[name] = (counts.database[name] ?? 0) + 1
        }),
    },
    state: {
      open: async () =>
        watched(await stores.open(), (name, [writes]) => {
          if (name !== 'commit') return
          counts.commits++
          counts.writes += (writes as readonly unknown[]).length
        }),
    },
    clock: countedClock(counts),
  }
}

function countedClock(counts: Counts): Clock {
  return {
    now: () => Date.now(),
    monotonicMs: () => performance.now(),
    after: (ms, action) => {
      counts.timers++
      const timer = setTimeout(action, ms).unref()
      return () => clearTimeout(timer)
    },
    turn: (action) => void setImmediate(action),
  }
}
