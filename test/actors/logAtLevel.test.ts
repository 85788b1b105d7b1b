/** T2: when a host's store may keep a log. */
import test from 'ava'
import { firstLevel } from '../../core/base/level.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { type MemoryState, memoryStore } from '../../transports/memory/memoryStore.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1 } from './notes.js'

/** A store that counts how often it is told. */
function told(turn: (action: () => void) => void, fail?: Error) {
  const state = memoryStore({ turn })
  const seen = { times: 0 }
  const open = state.open.bind(state)
  const factory: MemoryState = Object.assign(state, {
    async open(): Promise<StateStore> {
      const keepLog = async () => {
        seen.times++
        if (fail !== undefined) throw fail
      }
      return Object.assign(await open(), { keepLog })
    },
  })
  return { seen, factory }
}

test('T2: a store is told that it may keep a log when the level is raised, and at each start from then on', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { level: firstLevel })
  const { seen, factory } = told(system.clock.turn.bind(system.clock))
  const host = await system.host('h1', { state: factory })
  await host.node(NotesV1, 'n1')
  t.is(seen.times, 0)
  await system.desk.running.operator.raiseLevel({ reason: 'all are new' })
  await until(() => seen.times === 1, 'the store is told')
  await host.stop()
  const again = await system.host('h1', { state: factory })
  t.is(seen.times, 2)
  await again.node(NotesV1, 'n1')
})

test('T2: a system that begins at the newest level has stores with logs from the start, and one that can’t have one goes on', async (t) => {
  const system = await TestSystem.start(t)
  const { seen, factory } = told(system.clock.turn.bind(system.clock), new Error('no room'))
  const host = await system.host('h1', { state: factory })
  t.is(seen.times, 1)
  t.is((await host.node(NotesV1, 'n1')).id, 'n1')
})
