/**
 * A host whose clock stands still, and that is told to stop: what it waits for never comes. A process for
 * `embeddedStop.test.ts`.
 */
import 'reflect-metadata'
import { createHost } from '../../index.js'
import { MemoryBroker, memoryDatabase, memoryRepository, memoryStore, memoryTransport } from '../../transports/memory/index.js'
import { systemClock } from '../../transports/systemClock.js'
import { systemRandom } from '../../transports/systemRandom.js'

const broker = new MemoryBroker({ clock: systemClock, random: systemRandom })
const host = await createHost({
  system: 'stuck',
  transport: {
    connect: async (options) => Object.assign(memoryTransport(broker, options), { close: () => new Promise<void>(() => {}) }),
  },
  udb: memoryDatabase(),
  state: memoryStore(),
  bundles: memoryRepository(),
  clock: { now: () => 0, monotonicMs: () => 0, after: () => () => {}, turn: queueMicrotask },
  settings: { leaveMs: 100 },
  discovery: false,
})
void host.stop()
process.stdout.write('stopping\n')
