/** The orders of upgraders while an upgrade is under way: signed, and carried out once. */
import test, { type ExecutionContext } from 'ava'
import { decodeDirective, encodeDirective, type FirstDirective } from '../../core/control/directive.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { type Signed, signed } from '../../core/trust/signed.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import type { MemoryBackup } from '../../transports/memory/memoryDatabase.js'
import type { UdbFactory } from '../../transports/udbFactory.js'
import { askServer } from '../support/askServer.js'
import { until } from '../support/eventually.js'
import { alice, mallory } from '../support/signedManifests.js'
import { codeOf, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

/** Of the format that names neither head nor log. */
const directive = (system: TestSystem, number: number, more: Partial<FirstDirective> = {}): FirstDirective => ({
  format: 1,
  system: system.name,
  number,
  what: { order: 'setInTable', table: 'authorized', key: 'n1', value: 'yes' },
  createdAt: '2026-01-01T00:00:00.000Z',
  upgrader: alice.publicKey,
  ...more,
})

test('a directive that a trusted upgrader signed is carried out, once', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey], upgrader: alice })
  const { bytes, signature } = signed('directive', encodeDirective(directive(system, 1)), alice)
  const direct = () => askServer(system, 'install', 'direct', bytes, signature)
  t.is(await direct(), 'answered {"result":true}')
  t.is((await system.database.table('authorized')).get('n1'), 'yes')
  await system.database.removeFromTable('authorized', 'n1')
  // Nobody who has seen it can order it again.
  t.is(await direct(), 'upgrade.conflict')
  t.is((await system.database.table('authorized')).size, 0)
  t.is((await system.database.recentDirectives()).length, 1)
})

test('what nobody signed, somebody else signed, or was signed as something else is refused, and counts for nothing', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey], upgrader: alice })
  const good = encodeDirective(directive(system, 1))
  const bad: readonly (readonly [string, Uint8Array, Uint8Array | null])[] = [
    ['unsigned', good, null],
    ['by nobody', encodeDirective(directive(system, 1, { upgrader: null })), null],
    ['by mallory', encodeDirective(directive(system, 1, { upgrader: mallory.publicKey })), null],
    ['signed by another', good, signed('directive', good, mallory).signature],
    ['signed as a manifest', good, signed('manifest', good, alice).signature],
    [
      'changed',
      new TextEncoder().encode(new TextDecoder().decode(good).replace('yes', 'no!')),
      signed('directive', good, alice).signature,
    ],
  ]
  for (const [what, bytes, signature] of bad)
    t.is(await askServer(system, 'install', 'direct', bytes, signature), 'upgrade.signature', what)
  const other = encodeDirective(directive(system, 1, { system: 'another' }))
  t.is(await askServer(system, 'install', 'direct', other, signed('directive', other, alice).signature), 'config.invalid')
  t.is(await system.database.directives(), 0)
  t.is((await system.database.tables()).length, 0)
})

test('operators take turns: of two at once, each has its own number', async (t) => {
  const system = await TestSystem.start(t)
  const other = await system.host('desk2')
  const [one, two] = [system.desk.running.operator, other.running.operator]
  await Promise.all([one.pause(7, 'a'), two.pause(8, 'b'), one.setInTable('authorized', 'n1', 'yes'), two.hold('n2', '')])
  t.is(await system.database.directives(), 4)
  t.is((await system.database.controls()).length, 3)
  t.true(await two.removeFromTable('authorized', 'n1'))
  t.false(await one.removeFromTable('authorized', 'n1'))
  t.is(await codeOf(one.setInTable('a b', 'n1', 'yes')), 'config.invalid')
})

test('what is no directive is refused, saying what is wrong', (t) => {
  const whole = {
    format: 1,
    system: 'shop',
    number: 1,
    what: { order: 'finalize', version: 1 },
    createdAt: 'now',
    upgrader: null,
  }
  const decode = (change: object) => () => decodeDirective(new TextEncoder().encode(JSON.stringify({ ...whole, ...change })))
  t.notThrows(decode({}))
  t.notThrows(decode({ format: 2, head: null, log: 'a' }))
  for (const [change, message] of [
    [{ format: 4 }, /format 4; this Theseus reads formats 1 to 3/],
    [{ format: 2, log: 'a' }, /head/],
    [{ format: 2, head: 'no digest', log: 'a' }, /head/],
    [{ format: 2, head: null }, /log/],
    [{ format: 2, head: null, log: '' }, /log/],
    [{ format: 2, head: null, log: 'x'.repeat(129) }, /log/],
    [{ system: 'a b' }, /system/],
    [{ number: 0 }, /number/],
    [{ upgrader: 5 }, /upgrader/],
    [{ what: { order: 'dance' } }, /orders nothing/],
    [{ what: { order: 'set', control: { kind: 'gate', version: 1, heeded: [], since: 0 } } }, /orders nothing/],
    [{ what: { order: 'remove', control: { kind: 'gate', version: 1 } } }, /orders nothing/],
    [{ what: { order: 'setInTable', table: 'a b', key: 'k', value: 'v' } }, /orders nothing/],
  ] as const)
    t.throws(decode(change), { code: 'config.invalid', message })
  t.throws(() => decodeDirective(new Uint8Array([1])), { message: /not JSON/ })
  t.throws(() => decodeDirective(new Uint8Array(200_000)), { message: /at most 131072/ })
})

/** The system's database, in which calls do something else. */
function changed(system: TestSystem, call: (name: string, go: () => Promise<unknown>) => Promise<unknown>): UdbFactory {
  return {
    open: async (name, clock) =>
      new Proxy(await system.udb.open(name, clock), {
        get(target, key) {
          const method: unknown = Reflect.get(target, key)
          if (typeof method !== 'function') return method
          return (...args: unknown[]) => call(String(key), () => method.apply(target, args))
        },
      }),
  }
}

const never = new Promise<never>(() => {})

test('a server that dies at any moment has counted an order and carried it out, or neither', async (t) => {
  const outcomes = new Set<boolean>()
  for (let callsMax = 0, isOver = false; !isOver; callsMax++) {
    const system = await TestSystem.start(t, {}, { gate: 'off' })
    await system.stopServer()
    let calls = 0
    let died!: () => void
    const death = new Promise<void>((resolve) => {
      died = resolve
    })
    let isStarted = false
    const udb = changed(system, (name, go) => {
      if (isStarted && name !== 'close' && calls++ >= callsMax) {
        died()
        return never
      }
      return go()
    })
    await system.startServer({ udb })
    isStarted = true
    const order = system.desk.running.operator.pause(7, 'lunch').then(() => true)
    order.catch(() => {})
    isOver = (await Promise.race([order, death.then(() => false)])) === true
    const isDone = (await system.database.controls()).length === 1
    t.is(await system.database.directives(), isDone ? 1 : 0, `after ${callsMax} calls`)
    outcomes.add(isDone)
    system.desk.kill()
    await system.stop()
  }
  t.deepEqual([...outcomes], [false, true])
})

test('an order whose answer was lost is answered with what came of it, and is not carried out again', async (t) => {
  const system = await TestSystem.start(t, { queryResendMs: 20 })
  const { operator } = system.desk.running
  await operator.setInTable('authorized', 'n1', 'yes')
  await system.stopServer()
  let isLost = false
  const udb = changed(system, async (name, go) => {
    const answer = await go()
    if (name !== 'direct' || isLost) return answer
    isLost = true
    return never
  })
  await system.startServer({ udb })
  // Carried out twice, it would find nothing to remove.
  t.true(await operator.removeFromTable('authorized', 'n1'))
  t.true(isLost)
  t.is(await system.database.directives(), 2)
})

const olderBackups = new WeakMap<TestSystem, MemoryBackup>()

/**
 * A node at version 1, and orders that were carried out there: a pause that was lifted again,
 * in both formats.
 */
async function withOldOrders(t: ExecutionContext) {
  const system = await TestSystem.start(t, { askServerMs: 20 }, {}, { trust: [alice.publicKey], upgrader: alice })
  const node = await (await system.host('h1')).node(NotesV1, 'n1')
  const old = signed('directive', encodeDirective(directive(system, 1)), alice)
  t.is(await askServer(system, 'install', 'direct', old.bytes, old.signature), 'answered {"result":true}')
  olderBackups.set(system, system.udb.backup())
  await system.desk.running.operator.hold('n1', 'before the version')
  await system.publish(toV2())
  await system.desk.running.operator.release('n1')
  await until(() => node.version === 1, 'the node at version 1')
  await system.desk.running.operator.pause(2, 'lunch')
  await system.desk.running.operator.resume(2)
  const orders = await system.database.recentDirectives()
  t.is(orders.length, 5)
  await system.database.removeFromTable('authorized', 'n1')
  const again = async (database: UpgradeDatabase) => {
    // In order, and each as often as it takes: the count of a log that was lost begins anew.
    for (let round = 0; round < orders.length; round++)
      for (const { bytes, signature } of orders)
        t.is(await askServer(system, 'install', 'direct', bytes, signature), 'upgrade.conflict')
    t.deepEqual(await database.controls(), [])
    t.deepEqual(await database.tables(), [])
  }
  return { system, again }
}

test('what was ordered before the database was lost is not carried out again, once the history is back', async (t) => {
  const { system, again } = await withOldOrders(t)
  await system.stopServer()
  const udb = memoryDatabase()
  const database = await udb.open(system.name, system.clock)
  await system.startServer({ udb })
  await until(async () => (await database.head()).version === 1, 'the history is back')
  await until(async () => (await database.tables()).length === 0, 'its bundle is back')
  await again(database)
  // New orders are: nobody has to know that something was lost.
  await system.desk.running.operator.pause(3, 'dinner')
  t.is((await database.controls()).length, 1)
})

for (const loss of ['went back to an older moment', 'was emptied', 'was restarted'] as const)
  test(`what was ordered before the database ${loss}, while its server runs, is not carried out again`, async (t) => {
    const { system, again } = await withOldOrders(t)
    const { udb, database } = system
    // As the server has seen it when somebody asks it.
    await system.desk.running.operator.askServer()
    const older = olderBackups.get(system)!
    if (loss === 'was emptied') udb.empty()
    else if (loss === 'was restarted') udb.restart()
    else udb.restore(older)
    await until(async () => (await database.head()).version === 1, 'the history is back')
    await until(async () => (await database.tables()).every((name) => name === 'authorized'), 'its bundle is back')
    // The older moment knows this one order alone, which was carried out before.
    await database.removeFromTable('authorized', 'n1')
    await again(database)
  })

test('an order names the newest version: after another one is installed it is refused, and the operator signs it anew', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey], upgrader: alice })
  const { id } = await system.database.directiveLog()
  const { format: _, ...order } = directive(system, 1)
  const sign = (head: string | null, log: string) =>
    signed('directive', encodeDirective({ format: 2, head, log, ...order }), alice)
  const early = sign(null, id)
  await system.publish(toV2())
  const { digest } = await system.database.head()
  const direct = ({ bytes, signature }: Signed) => askServer(system, 'install', 'direct', bytes, signature)
  t.is(await direct(early), 'upgrade.conflict')
  t.is(await direct(sign(digest, 'another')), 'upgrade.conflict')
  t.is(await direct(sign(digest, id)), 'answered {"result":true}')
  await system.desk.running.operator.pause(2, 'lunch')
  t.is(await system.database.directives(), 2)
})
