/**
 * A host with many nodes that hears of a new version teaches them a few in a turn: others of
 * the process get their turn between.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import type { Write } from '../../core/ports/stateStore.js'
import { schedule } from '../../index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

const nodes = Array.from({ length: 48 }, (_, i) => `m${i}`)
const never = schedule('never', (view) => view.sleep(3_600_000))

/** How many nodes write what they have learned in each commit of their host. */
async function learnedTogether(t: ExecutionContext, learnPerTurnMax: number): Promise<readonly number[]> {
  const system = await TestSystem.start(t, { learnPerTurnMax })
  const state = memoryStore()
  const host = await system.host('h1', { state })
  for (const nodeId of nodes) await host.node(NotesV1, nodeId)
  const together: number[] = []
  const learned = new Set<string>()
  state.beforeCommit = (writes: readonly Write[]) => {
    const written = new Set(writes.flatMap(([key]) => /\bm\d+\b/.exec(key) ?? []))
    const fresh = [...written].filter((nodeId) => !learned.has(nodeId))
    for (const nodeId of fresh) learned.add(nodeId)
    if (fresh.length > 0) together.push(fresh.length)
  }
  await system.publish(toV2({ schedule: never }))
  await until(() => learned.size === nodes.length, 'all have learned')
  t.is(
    together.reduce((sum, each) => sum + each, 0),
    nodes.length,
  )
  return together
}

test('of many nodes that hear of a version, no more than learnPerTurnMax learn it in one turn of the loop', async (t) => {
  const few = await learnedTogether(t, 4)
  // A commit may take the writes of some turns, while the one before is on its way.
  t.true(Math.max(...few) <= nodes.length / 2, `${few}`)
  const all = await learnedTogether(t, nodes.length)
  t.deepEqual(all, [nodes.length], 'without the bound they learn it in one')
})
