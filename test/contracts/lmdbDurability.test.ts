/**
 * The syncs that LMDB is asked for, and that a commit waits for them. Whether the disk keeps what was synced
 * only a power cut shows.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { open, type RootDatabaseOptionsWithPath } from 'lmdb'
import type { LocalDurability } from '../../transports/lmdb/lmdbStore.js'
import { openStore } from '../../transports/lmdb/localStore.js'

function newDirectory(t: ExecutionContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'theseus-lmdb-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  return directory
}

/** Without them LMDB syncs the data and then the page that names it, before a commit ends. */
const leftOut: Record<LocalDurability, readonly string[]> = {
  disk: [],
  process: ['noMetaSync'],
  none: ['noSync'],
}

for (const durability of ['disk', 'process', 'none'] as const) {
  test(`${durability}: LMDB leaves out of its syncs ${leftOut[durability].join() || 'nothing'}`, async (t) => {
    let given: RootDatabaseOptionsWithPath | undefined
    const store = await openStore(newDirectory(t), { durability }, (options) => {
      given = options
      return open(options)
    })
    t.teardown(() => store.close())
    const flags = ['noSync', 'noMetaSync', 'mapAsync', 'useWritemap', 'overlappingSync', 'separateFlushed'] as const
    t.deepEqual(
      flags.filter((flag) => (given as unknown as Record<string, unknown>)[flag] === true),
      leftOut[durability] as never,
    )
    t.is(given?.overlappingSync, false, 'on by default elsewhere: then a commit ends before it is synced')
    t.is(store.durability, durability)
  })
}

test('a commit is acknowledged when LMDB has ended its own, and not before', async (t) => {
  let end = (): void => {}
  const synced = new Promise<void>((resolve) => {
    end = resolve
  })
  let isHeld = false
  const store = await openStore(newDirectory(t), { durability: 'disk' }, (options) => {
    const root = open(options)
    const { openDB } = root
    root.openDB = ((...args: Parameters<typeof openDB>) => {
      const database = openDB.apply(root, args) as unknown as { batch(action: () => void): Promise<boolean> }
      const batch = database.batch.bind(database)
      database.batch = async (action) => {
        const done = await batch(action)
        if (isHeld) await synced
        return done
      }
      return database
    }) as unknown as typeof openDB
    return root
  })
  t.teardown(() => store.close())
  isHeld = true
  const order: string[] = []
  const commit = store.commit([['a', new Uint8Array([1])]]).then(() => order.push('acknowledged'))
  // Another store's commit, on the same thread pool, has ended meanwhile.
  const other = await openStore(newDirectory(t), {})
  await other.commit([['b', new Uint8Array([1])]])
  await other.close()
  order.push('synced')
  end()
  await commit
  t.deepEqual(order, ['synced', 'acknowledged'])
  t.deepEqual([...store.get('a')!], [1])
})
