/** A node's knowledge about itself: in memory ahead of the disk, and again as it is on disk after a loss. */
import 'reflect-metadata'
import test from 'ava'
import { NodeRecordStore } from '../../actors/software/nodeRecordStore.js'
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
  const recordStore = new NodeRecordStore(record, new NodeState('n1', journal), journal, { dead: 0 })
  const commit = async (work: Promise<void> = Promise.resolve()) => {
    clock.endTurn()
    await journal.idle()
    await work
  }
  return { clock, recordStore, commit }
}

const signedAs = (version: number) => ({ node: 'n1', className: `Pages.v${version + 1}`, version })

test('a node signs its answers with the class and version of its record, as it is now', async (t) => {
  const { recordStore, commit } = await open()
  t.deepEqual({ ...recordStore.replier }, signedAs(0))
  const committing = recordStore.commit(upgraded)
  t.deepEqual({ ...recordStore.replier }, signedAs(0))
  await commit(committing)
  t.deepEqual({ ...recordStore.replier }, signedAs(1))
  recordStore.write({ ...upgraded, generation: { ...upgraded.generation, version: 2, className: 'Pages.v3' } })
  t.deepEqual({ ...recordStore.replier }, signedAs(2))
})

test('what was lost is forgotten: the record is again as it is on disk, or on its way there', async (t) => {
  const { recordStore, commit } = await open()
  recordStore.reload()
  t.is(recordStore.record, record, 'there is nothing on disk yet')
  await commit(recordStore.commit(record))
  recordStore.write({ ...record, newest: 2 })
  recordStore.reload()
  t.is(recordStore.record.newest, 2)
  t.deepEqual({ ...recordStore.replier }, signedAs(0))
})

test('a slot whose records are still to be made is named by the record, or by the generation that is being checked', async (t) => {
  const { recordStore } = await open()
  const lazy: LazySlot = { upgrade: 1, role: 'object', undoes: false, old: '0.0', beside: null, next: { a: '' }, passed: 0 }
  t.is(recordStore.lazyOf('1.1'), undefined)
  recordStore.consider(upgraded.generation)
  t.is(recordStore.lazyOf('1.1'), undefined)
  recordStore.consider({ ...upgraded.generation, lazy: { '1.1': lazy } })
  t.is(recordStore.lazyOf('1.1'), lazy)
  recordStore.considerNone()
  recordStore.write({ ...record, generation: { ...born, lazy: { '0.0': lazy } } })
  t.is(recordStore.lazyOf('0.0'), lazy)
  t.is(recordStore.lazyOf('1.1'), undefined)
})
