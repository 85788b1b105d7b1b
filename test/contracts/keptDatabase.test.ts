/** The upgrade database of an embedded system: the port's contract, and what another process finds. */
import test from 'ava'
import { isFault } from '../../core/base/fault.js'
import { type AuditBounds, auditKept } from '../../core/control/audit.js'
import type { Clock } from '../../core/ports/clock.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { type KeptDatabase, keptDatabase } from '../../transports/memory/keptDatabase.js'
import { memoryStore } from '../../transports/memory/memoryStore.js'
import { bundlesContract } from './bundlesContract.js'
import {
  databaseContract,
  directiveOf,
  entryOf,
  type InterruptibleDatabase,
  manifestOf,
  nothingInstalled,
  Starting,
  statusOf,
  upgradingNode,
} from './databaseContract.js'
import { edgesContract } from './edgesContract.js'
import { levelContract } from './levelContract.js'
import { pinContract } from './pinContract.js'
import { standingContract } from './standingContract.js'

class StoppedClock implements Clock {
  constructor(public nowMs: number) {}
  readonly now = () => this.nowMs
  readonly monotonicMs = () => this.nowMs
  readonly after = () => () => {}
  readonly turn = queueMicrotask
}

/** Each system has a store of its own, as in a process. */
function onStores(audit: AuditBounds = auditKept): InterruptibleDatabase {
  const clock = new StoppedClock(1_700_000_000_000)
  const systems = new Map<string, Promise<KeptDatabase>>()
  const all = async () => (await Promise.all(systems.values())).map(({ server }) => server)
  return {
    open: async (system) => {
      const made =
        systems.get(system) ??
        memoryStore()
          .open()
          .then((store) => keptDatabase(system, store, clock, audit))
      systems.set(system, made)
      return (await made).open(system, clock)
    },
    elapse: async (ms) => {
      clock.nowMs += ms
    },
    away: async () => {
      for (const server of await all()) server.isAway = true
    },
    back: async () => {
      for (const server of await all()) server.isAway = false
    },
    restart: async () => {
      for (const server of await all()) server.run++
    },
    empty: async () => {
      for (const server of await all()) server.systems = new Map()
    },
    backup: async () => {
      const copies = (await all()).map((server) => [server, structuredClone(server.systems)] as const)
      return async () => {
        for (const [server, copy] of copies) {
          server.systems = structuredClone(copy)
          server.run++
        }
      }
    },
  }
}

databaseContract(
  'kept',
  (audit) => onStores(audit),
  async () => onStores(),
)
standingContract(
  'kept',
  () => onStores(),
  async () => onStores(),
)
edgesContract('kept', () => onStores())
levelContract('kept', () => onStores())
pinContract('kept', () => onStores())
bundlesContract('kept', () => onStores())

const long = 60_000

async function filled(store: StateStore, clock: Clock) {
  const database = await keptDatabase('shop', store, clock).open('shop', clock)
  const by = new Starting('s1', 'dir-n1')
  await database.attend(by)
  await database.register(statusOf('n1'), long, by)
  await database.register(statusOf('gone'), long, by)
  const { manifest } = manifestOf('one')
  await database.putChunk('b1', 0, new Uint8Array([1, 2]))
  await database.putChunk('b1', 11, new Uint8Array([3]))
  await database.putChunk('staged', 0, new Uint8Array([4]))
  await database.install(nothingInstalled, 'd1', manifest, { authorized: { n1: 'yes', n2: '' } }, null, 'b1')
  await database.restoreLevel({ release: '0.2.0', numbers: { envelope: 2 } })
  const { id } = await database.directiveLog()
  const head = await database.head()
  const pause = { kind: 'pause', version: 2, reason: 'é', since: 5 } as const
  const order = directiveOf(1, { order: 'set', control: pause })
  await database.direct(order, { bytes: new TextEncoder().encode(JSON.stringify(order)), signature: new Uint8Array([7]) }, head)
  await database.setControl({ kind: 'hold', nodeId: 'n1', reason: '', since: 6 })
  await database.claimPermit('other', upgradingNode('n2'), {}, by)
  await database.forget('gone')
  const newest = await database.auditHead()
  await database.appendAudit(newest, entryOf(1), { hash: 'a'.repeat(64), log: id })
  return database
}

test('kept: a process that comes later finds all that was answered, and no loss', async (t) => {
  const store = await memoryStore().open()
  const clock = new StoppedClock(1_700_000_000_000)
  const before = await filled(store, clock)
  const answers = async (database: typeof before) => ({
    head: await database.head(),
    manifests: await database.manifests(1, 9),
    chunks: [await database.getChunk('b1', 0), await database.getChunk('b1', 11), await database.getChunk('staged', 0)],
    writes: [await database.bundleWrites('b1'), await database.bundleWrites('staged')],
    level: await database.level(),
    controls: (await database.controls()).map(({ kind }) => kind).sort(),
    directives: await database.directives(),
    log: await database.directiveLog(),
    recent: await database.recentDirectives(),
    audit: [await database.auditHead(), await database.audit(1, 9)],
    tables: [await database.tables(), [...(await database.table('authorized'))]],
    dead: await database.dead(),
    final: await database.finalized(),
    nodes: await database.nodes(),
    held: await database.claimPermit('other', upgradingNode('n3'), { count: 1 } as never),
    standing: await database.standing(),
  })
  const was = await answers(before)
  // Its clock counts from another moment.
  const later = new StoppedClock(7)
  const after = await keptDatabase('shop', store, later).open('shop', later)
  const is = await answers(after)
  t.like(is.standing, { epoch: was.standing!.epoch, probation: null })
  t.deepEqual({ ...is, standing: null }, { ...was, standing: null })
  t.deepEqual((await after.renew(['n1', 'gone'], long, new Starting('s2', 'dir-n1'))).forgotten, ['gone'])
})

test('kept: what goes is gone, also for a process that comes later', async (t) => {
  const store = await memoryStore().open()
  const clock = new StoppedClock(1_000)
  const before = await filled(store, clock)
  t.true(await before.removeControl({ kind: 'pause', version: 2 }))
  t.true(await before.removeFromTable('authorized', 'n1'))
  await before.forget('n1')
  clock.nowMs += 24 * 3_600_000
  await before.putChunk('other', 0, new Uint8Array([5]))
  const after = await keptDatabase('shop', store, clock).open('shop', clock)
  t.deepEqual(await after.controls(), [])
  t.deepEqual([...(await after.table('authorized'))], [['n2', '']])
  t.deepEqual(await after.nodes(), [])
  t.is(await after.getChunk('staged', 0), undefined)
  t.truthy(await after.getChunk('other', 0))
})

test('kept: leases stand still while no process keeps it', async (t) => {
  const store = await memoryStore().open()
  const clock = new StoppedClock(1_000)
  const before = await keptDatabase('shop', store, clock).open('shop', clock)
  await before.register(statusOf('n1'), long, new Starting('s1', 'dir-n1'))
  clock.nowMs += 100 * long
  const after = await keptDatabase('shop', store, clock).open('shop', clock)
  t.like((await after.nodes())[0], { nodeId: 'n1', alive: true })
  clock.nowMs += long
  t.like((await after.nodes())[0], { nodeId: 'n1', alive: false })
})

test('kept: a change that could not be written is written with the next', async (t) => {
  const store = await memoryStore().open()
  const clock = new StoppedClock(1_000)
  let isFull = false
  const filling: StateStore = {
    ...{ directoryId: store.directoryId, durability: 'process', get: (key) => store.get(key), close: () => store.close() },
    range: (from, to, limit) => store.range(from, to, limit),
    commit: (writes) => (isFull ? Promise.reject(new Error('full')) : store.commit(writes)),
  }
  const database = await keptDatabase('shop', filling, clock).open('shop', clock)
  await database.setInTable('a', 'x', '1')
  isFull = true
  await t.throwsAsync(database.setInTable('a', 'y', '2'), { message: 'full' })
  await t.throwsAsync(database.removeFromTable('a', 'x'), { message: 'full' })
  isFull = false
  await database.setInTable('a', 'z', '3')
  const after = await keptDatabase('shop', store, clock).open('shop', clock)
  t.deepEqual(
    [...(await after.table('a'))],
    [
      ['y', '2'],
      ['z', '3'],
    ],
  )
})

test('kept: data of a later release are refused', async (t) => {
  const store = await memoryStore().open()
  await store.commit([['format', new TextEncoder().encode('2')]])
  const fault = t.throws(() => keptDatabase('shop', store, new StoppedClock(0)))
  t.true(isFault(fault) && fault.code === 'config.layout')
})
