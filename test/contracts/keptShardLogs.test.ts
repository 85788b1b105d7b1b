/** The logs of an embedded system's shards: the contracts, and the entries that another process finds. */
import test from 'ava'
import type { StateStore } from '../../core/ports/stateStore.js'
import { KeptShardLogs } from '../../transports/memory/keptShardLogs.js'
import { memoryStore } from '../../transports/memory/memoryStore.js'
import { logContract } from './logContract.js'
import { snapshotsContract } from './snapshotsContract.js'

logContract(
  'kept',
  () => {
    const logs = memoryStore()
      .open()
      .then((store) => new KeptShardLogs(store))
    return { open: async () => (await logs).client().open('notes', 3) }
  },
  { writers: 'many' },
)
snapshotsContract('kept', async () => (await new KeptShardLogs(await memoryStore().open()).client().open('notes', 3)).snapshots)

const bytes = (number: number) => new Uint8Array([number])

test('kept: a process that comes later finds the entries, the snapshots and the shards', async (t) => {
  const store = await memoryStore().open()
  const before = await new KeptShardLogs(store).client().open('notes', 10)
  for (let i = 0; i < 12; i++) t.is((await before.append(bytes(i), i)).kind, 'appended')
  await before.trim(9)
  await before.snapshots.write('one', [bytes(1), bytes(2)])
  await new KeptShardLogs(store).client().open('notes', 2)
  const logs = new KeptShardLogs(store).client()
  t.deepEqual(await logs.shardsOf('notes'), [2, 10])
  const after = await logs.open('notes', 10)
  t.deepEqual(await after.ends(), { first: 10, last: 12 })
  const found: number[] = []
  for await (const { position, bytes: entry } of after.read(9)) found.push(position, entry[0]!)
  t.deepEqual(found, [10, 9, 11, 10, 12, 11])
  t.deepEqual(await after.snapshots.names(), ['one'])
  t.is((await after.append(bytes(1), 11)).kind, 'conflict')
  t.is((await after.append(bytes(1), 12)).kind, 'appended')
})

test('kept: entries behind one that could not be written are not there either', async (t) => {
  const store = await memoryStore().open()
  let isFull = false
  const filling: StateStore = {
    ...{ directoryId: store.directoryId, durability: 'process', get: (key) => store.get(key), close: () => store.close() },
    range: (from, to, limit) => store.range(from, to, limit),
    commit: (writes) => (isFull ? Promise.reject(new Error('full')) : store.commit(writes)),
  }
  const log = await new KeptShardLogs(filling).client().open('notes', 1)
  await log.append(bytes(1), 0)
  isFull = true
  const answers = await Promise.all([log.append(bytes(2), 1), log.append(bytes(3), 2), log.append(bytes(4), 3)])
  t.deepEqual(
    answers.map(({ kind }) => kind),
    ['refused', 'conflict', 'conflict'],
  )
  isFull = false
  t.is((await log.append(bytes(5), 1)).kind, 'appended')
  t.deepEqual(await log.ends(), { first: 1, last: 2 })
})
