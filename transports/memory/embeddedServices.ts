/**
 * The memory transport and UDB that the hosts of one system share within a process, from the
 * first host until the last has left.
 */

import type { TransportFactory } from '../factory.js'
import { systemClock } from '../systemClock.js'
import { systemRandom } from '../systemRandom.js'
import type { UdbFactory } from '../udbFactory.js'
import { memoryDatabase } from './memoryDatabase.js'
import { type MemoryShardLogs, memoryShardLogs } from './memoryShardLogs.js'
import { MemoryBroker, memoryTransport } from './memoryTransport.js'

export interface EmbeddedServices {
  readonly transport: TransportFactory
  readonly database: UdbFactory
  readonly shardLogs: MemoryShardLogs
  /** True for the first to enter. */
  enter(): boolean
  /** True for the last to leave: the world ends. */
  leave(): boolean
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
  let inside = 0
  return {
    transport: { connect: async (options) => memoryTransport(broker, options) },
    database: memoryDatabase(),
    shardLogs: memoryShardLogs({ durability: 'none' }),
    enter: () => ++inside === 1,
    leave: () => {
      if (--inside > 0) return false
      bySystem.delete(system)
      return true
    },
  }
}
