/**
 * The transport and the UDB that the hosts of one system share within a process, from the first host until
 * the last has left: both in memory, and the UDB in a store as well, where the first host has a directory.
 */
import { newestLevel } from '../../core/base/level.js'
import type { ShardLogs } from '../../core/ports/log.js'
import type { StateStore } from '../../core/ports/stateStore.js'

import type { TransportFactory } from '../factory.js'
import { systemClock } from '../systemClock.js'
import { systemRandom } from '../systemRandom.js'
import type { UdbFactory } from '../udbFactory.js'
import { type KeptDatabase, keptDatabase } from './keptDatabase.js'
import { KeptShardLogs } from './keptShardLogs.js'
import { memoryDatabase } from './memoryDatabase.js'
import { memoryShardLogs } from './memoryShardLogs.js'
import { MemoryBroker, memoryTransport } from './memoryTransport.js'

export interface EmbeddedServices {
  readonly transport: TransportFactory
  readonly database: UdbFactory
  /** A host's logs of shards: in the store of the database, or in memory. */
  shardLogs(hostId: string): ShardLogs
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
  const inMemoryLogs = memoryShardLogs({ durability: 'none' })
  let kept: Promise<Kept> | undefined
  let inside = 0
  return {
    transport: { connect: async (options) => memoryTransport(broker, options) },
    database: {
      level: newestLevel,
      open: async (name, clock) => ((await kept)?.database ?? inMemory).open(name, clock),
    },
    shardLogs: (hostId) => once(async () => (await kept)?.logs.client() ?? inMemoryLogs.client(hostId)),
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

interface Kept {
  readonly database: KeptDatabase
  readonly logs: KeptShardLogs
  readonly store: StateStore
}

async function opened(system: string, open: () => Promise<StateStore>): Promise<Kept> {
  const store = await open()
  try {
    await store.keepLog?.()
    return { store, database: keptDatabase(system, store, systemClock), logs: new KeptShardLogs(store) }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Made when it is used first: the store may still be opened. */
function once(make: () => Promise<ShardLogs>): ShardLogs {
  let made: Promise<ShardLogs> | undefined
  const logs = (): Promise<ShardLogs> => (made ??= make())
  return {
    open: async (service, shard) => (await logs()).open(service, shard),
    shardsOf: async (service) => (await logs()).shardsOf(service),
    close: async () => (await made)?.close(),
  }
}
