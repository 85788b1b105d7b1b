/**
 * The transport and the UDB that the hosts of one system share within a process, from the first host until
 * the last has left: both in memory, and the UDB in a store as well, where the first host has a directory.
 */
import { newestLevel } from '../../core/base/level.js'
import type { StateStore } from '../../core/ports/stateStore.js'

import type { TransportFactory } from '../factory.js'
import { systemClock } from '../systemClock.js'
import { systemRandom } from '../systemRandom.js'
import type { UdbFactory } from '../udbFactory.js'
import { type KeptDatabase, keptDatabase } from './keptDatabase.js'
import { memoryDatabase } from './memoryDatabase.js'
import { type MemoryShardLogs, memoryShardLogs } from './memoryShardLogs.js'
import { MemoryBroker, memoryTransport } from './memoryTransport.js'

export interface EmbeddedServices {
  readonly transport: TransportFactory
  readonly database: UdbFactory
  readonly shardLogs: MemoryShardLogs
  /** True for the first to enter: it may say where the database is kept. */
  enter(): boolean
  keepIn(open: () => Promise<StateStore>): void
  /** True for the last to leave: the world ends. */
  leave(): boolean
  /** Releases the store. */
  close(): Promise<void>
}

const bySystem = new Map<string, EmbeddedServices>()

export function embeddedServices(system: string): EmbeddedServices {
  let world = bySystem.get(system)
  if (world === undefined) {
    world = newServices(system)
    bySystem.set(system, world)
  }
  return world
}

function newServices(system: string): EmbeddedServices {
  const broker = new MemoryBroker({ clock: systemClock, random: systemRandom })
  const inMemory = memoryDatabase()
  let kept: Promise<{ readonly database: KeptDatabase; readonly store: StateStore }> | undefined
  let inside = 0
  return {
    transport: { connect: async (options) => memoryTransport(broker, options) },
    database: {
      level: newestLevel,
      open: async (name, clock) => ((await kept)?.database ?? inMemory).open(name, clock),
    },
    shardLogs: memoryShardLogs({ durability: 'none' }),
    enter: () => ++inside === 1,
    leave: () => {
      if (--inside > 0) return false
      bySystem.delete(system)
      return true
    },
    keepIn: (open) => {
      kept = opened(system, open)
      // It is told when the database is opened.
      kept.catch(() => {})
    },
    close: async () => {
      const { database, store } = (await kept?.catch(() => undefined)) ?? {}
      await database?.close()
      await store?.close()
    },
  }
}

async function opened(system: string, open: () => Promise<StateStore>) {
  const store = await open()
  try {
    await store.keepLog?.()
    return { store, database: keptDatabase(system, store, systemClock) }
  } catch (error) {
    await store.close()
    throw error
  }
}
