/** A node's knowledge about itself: in memory ahead of the disk, and again as it is on disk after a loss. */
import 'reflect-metadata'
import test from 'ava'
import { RecordKeeper } from '../../actors/software/recordKeeper.js'
import { Journal } from '../../actors/state/journal.js'
import { NodeState } from '../../actors/state/nodeState.js'
import type { Generation, LazySlot, NodeRecord } from '../../core/model/nodeRecord.js'
import { memoryStore } from '../../transports/memory/index.js'
import { ManualClock } from './manualClock.js'

const born: Generation = { number: 0, version: 0, className: 'Pages.v1', object: '0.0', simulations: {} }
const record: NodeRecord = {
  format: 2,
  nodeId: 'n1',
  service: 'pages',
  facts: {},
  incarnation: 1,
  oldest: 0,
  newest: 1,
  generation: born,
  previous: null,
  upgrade: null,
}
const upgraded: NodeRecord = { ...record, generation: { ...born, number: 1, version: 1, className: 'Pages.v2', object: '1.1' } }

async function open() {
  const clock = new ManualClock()
  const journal = new Journal(await memoryStore().open(), clock)
  const keeper = new RecordKeeper(record, new NodeState('n1', journal), journal, () => 0)
  const commit = async (work: Promise<void> = Promise.resolve()) => {
    clock.endTurn()
    await journal.idle()
    await work
  }
  return { clock, keeper, commit }
}

const signedAs = (version: number) => ({ node: 'n1', className: `Pages.v${version + 1}`, version })

test('a node signs its answers with the class and version of its record, as it is now', async (t) => {
  const { keeper, commit } = await open()
  t.deepEqual(keeper.replier, signedAs(0))
  const committing = keeper.commit(upgraded)
  t.deepEqual(keeper.replier, signedAs(0))
  await commit(committing)
  t.deepEqual(keeper.replier, signedAs(1))
  keeper.write({ ...upgraded, generation: { ...upgraded.generation, version: 2, className: 'Pages.v3' } })
  t.deepEqual(keeper.replier, signedAs(2))
})

test('what was lost is forgotten: the record is again as it is on disk, or on its way there', async (t) => {
  const { keeper, commit } = await open()
  keeper.reload()
  t.is(keeper.record, record, 'there is nothing on disk yet')
  await commit(keeper.commit(record))
  keeper.write({ ...record, newest: 2 })
  keeper.reload()
  t.is(keeper.record.newest, 2)
  t.deepEqual(keeper.replier, signedAs(0))
})

test('a slot whose records are still to be made is named by the record, or by the generation that is being checked', async (t) => {
  const { keeper } = await open()
  const lazy: LazySlot = { upgrade: 1, role: 'object', undoes: false, old: '0.0', beside: null, next: { a: '' }, passed: 0 }
  t.is(keeper.lazyOf('1.1'), undefined)
  keeper.coming = upgraded.generation
  t.is(keeper.lazyOf('1.1'), undefined)
  keeper.coming = { ...upgraded.generation, lazy: { '1.1': lazy } }
  t.is(keeper.lazyOf('1.1'), lazy)
  keeper.coming = undefined
  keeper.write({ ...record, generation: { ...born, lazy: { '0.0': lazy } } })
  t.is(keeper.lazyOf('0.0'), lazy)
  t.is(keeper.lazyOf('1.1'), undefined)
})
