/**
 * The registered nodes, read once for all who ask on a host, and not believed while the
 * database is on probation.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { HostSession } from '../../actors/registration/hostSession.js'
import { isOnProbation, NodeRowCache } from '../../actors/registration/nodeRowCache.js'
import { Journal } from '../../actors/state/journal.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { memoryDatabase, memoryStore } from '../../transports/memory/index.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { Starting, statusOf } from '../contracts/databaseContract.js'
import { type Gate, gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

async function open() {
  const clock = new ManualClock()
  const factory = memoryDatabase()
  const database = await factory.open('shop', clock)
  const settings = { ...defaultSettings, system: 'shop', hostId: 'h1', populationMs: 100 }
  const store = await memoryStore({ directoryId: 'dir' }).open()
  const session = new HostSession(clock, seededRandom(1), settings, store, new Journal(store, clock))
  let reads = 0
  /** The answers to whether the rows can be believed wait here. */
  const answers: Gate[] = []
  const counted = new Proxy(database, {
    get(target, key) {
      const method: unknown = Reflect.get(target, key)
      if (typeof method !== 'function') return method
      return (...args: unknown[]) => {
        if (key === 'nodes') reads++
        const answer = key === 'attend' ? answers.shift() : undefined
        if (answer !== undefined) return answer.pass().then(() => method.apply(target, args))
        return method.apply(target, args)
      }
    },
  }) as UpgradeDatabase
  const nodeRowCache = new NodeRowCache(counted, clock, settings, session)
  const report = async (...ids: readonly string[]) => {
    for (const id of ids) {
      const service = id.startsWith('p') ? 'pages' : 'carts'
      await database.register(statusOf(id, { directoryId: `dir-${id}`, service }), 60_000)
    }
  }
  const ids = async (service?: string) => (await nodeRowCache.nodes(service)).map(({ nodeId }) => nodeId).sort()
  return { clock, factory, database, session, nodeRowCache, report, ids, answers, reads: () => reads }
}

test('all who ask within a while have one reading, whichever service they ask for', async (t) => {
  const { clock, report, ids, nodeRowCache, reads } = await open()
  await report('p1', 'p2', 'c1')
  t.deepEqual(await Promise.all([ids(), ids('pages'), ids('carts'), ids('others')]), [
    ['c1', 'p1', 'p2'],
    ['p1', 'p2'],
    ['c1'],
    [],
  ])
  t.is(reads(), 1)
  t.is(await nodeRowCache.nodes('pages'), await nodeRowCache.nodes('pages'))
  await report('p3')
  clock.advance(100)
  t.deepEqual(await ids('pages'), ['p1', 'p2'])
  clock.advance(1)
  t.deepEqual(await ids('pages'), ['p1', 'p2', 'p3'])
  t.deepEqual(await ids(), ['c1', 'p1', 'p2', 'p3'])
  t.is(reads(), 2)
})

test('nobody changes what others read', async (t) => {
  const { report, nodeRowCache } = await open()
  await report('p1')
  t.throws(() => (nodeRowCache.nodes('pages') as never as unknown[]).push(1), { instanceOf: TypeError })
  const [all, pages] = [await nodeRowCache.nodes(), await nodeRowCache.nodes('pages')]
  t.throws(() => (all as unknown[]).pop(), { instanceOf: TypeError })
  t.throws(() => (pages as unknown[]).pop(), { instanceOf: TypeError })
  t.throws(() => Object.assign(all[0]!, { version: 9 }), { instanceOf: TypeError })
})

test('a reading that failed is not kept: the next one asks again', async (t) => {
  const { factory, report, ids } = await open()
  await report('p1')
  factory.away(true)
  const error = await t.throwsAsync(ids(), { code: 'unavailable.disconnected' })
  t.false(isOnProbation(error))
  factory.away(false)
  t.deepEqual(await ids(), ['p1'])
})

test('a reading that fails late takes nothing from the one after it', async (t) => {
  const { clock, report, ids, answers, reads } = await open()
  await report('p1')
  const [first, second] = [gate(), gate()]
  answers.push(first, second)
  const late = ids()
  clock.advance(101)
  const next = ids()
  first.fail(new Error('away'))
  await t.throwsAsync(late, { message: 'away' })
  const third = ids()
  second.open()
  t.deepEqual([await next, await third], [['p1'], ['p1']])
  t.is(reads(), 1)
})

test('rows of a database that has lost something are not believed, by whoever has seen more of it', async (t) => {
  const { database, factory, clock, report, ids, session } = await open()
  await report('p1')
  await ids()
  t.true(session.now.stampMs > 0)
  clock.advance(1_000)
  const backup = factory.backup()
  clock.advance(1_000)
  await ids()
  factory.restore(backup)
  await database.doubt(new Starting('s2', 'd2'))
  clock.advance(1_000)
  const error = await t.throwsAsync(ids(), { message: /has lost something, and not all hosts have told of their nodes yet/ })
  t.true(isOnProbation(error))
  t.false(isOnProbation(new Error('another')))
})
