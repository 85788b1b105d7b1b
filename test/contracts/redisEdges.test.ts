/**
 * The contents of Redis at the edges: what nobody can read, what was half lost, what a login may not ask, and
 * what is left behind.
 */
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { controlReasonLengthMax } from '../../core/control/control.js'
import { type Directive, directivesKeptMax } from '../../core/control/directive.js'
import { redis } from '../../transports/redis/index.js'
import { redisKeeping } from '../../transports/redis/redisDatabase.js'
import { keysOf, redisLayout } from '../../transports/redis/redisKeys.js'
import { systemClock } from '../../transports/systemClock.js'
import { lapsedKeptMs, stagedMs } from '../../transports/udbFactory.js'
import { until } from '../support/eventually.js'
import { ageSystemInRedis } from '../support/redisTime.js'
import { startRedisServer, type TestServer } from '../support/servers.js'
import {
  directiveOf,
  entryOf,
  manifestOf,
  newSystem,
  nothingInstalled,
  placeOf,
  Starting,
  statusOf,
  upgradingNode,
} from './databaseContract.js'

const long = 3_600_000
const short = 60_000

let server: TestServer
let client: Redis
test.before(async () => {
  server = await startRedisServer()
  client = new Redis(server.url)
  client.on('error', () => {})
})
test.after.always(async () => {
  client.disconnect()
  await server.stop()
})

async function open(t: ExecutionContext) {
  const system = newSystem()
  const database = await redis(server.url).open(system, systemClock)
  t.teardown(() => database.close())
  const [registrations, rows, members, leases, transient, slots] = keysOf(system).nodes
  const elapse = (ms: number) => ageSystemInRedis(client, system, ms)
  return { system, database, elapse, registrations, rows, members, leases, transient, slots, dead: keysOf(system).dead }
}

test('a node that is forgotten leaves nothing but the mark that it was', async (t) => {
  const { database, registrations, rows, members, leases, transient, slots } = await open(t)
  await database.register(statusOf('n1'), long, new Starting('s1', 'dir-n1'))
  await database.register(statusOf('desk-v0', { service: 'client', directoryId: null }), long)
  await database.claimPermit('pages', upgradingNode('n1'), {})
  for (const nodeId of ['n1', 'desk-v0']) await database.forget(nodeId)
  t.deepEqual(await client.hkeys(registrations), ['/attendance'])
  t.is(await client.exists(rows, members, transient, slots), 0)
  t.deepEqual((await client.zrange(leases, '0', '-1')).sort(), ['forgotten/desk-v0', 'forgotten/n1', 'host/s1'])
  await database.register(statusOf('n1'), long)
  t.is(await client.zscore(leases, 'forgotten/n1'), null)
})

test('a node without a directory that lapsed long ago leaves nothing; it is kept until then', async (t) => {
  const { database, elapse, registrations, rows, members, leases, transient } = await open(t)
  await database.register(statusOf('brief', { directoryId: null }), short)
  await elapse(2 * short)
  await database.nodes()
  t.deepEqual([await client.exists(members, transient), await client.exists(registrations, rows, leases)], [0, 3])
  await elapse(lapsedKeptMs)
  await database.nodes()
  t.is(await client.exists(registrations, rows, members, leases, transient), 0)
})

test('a start is kept for nodes with a directory alone', async (t) => {
  const { database, registrations } = await open(t)
  const by = new Starting('s1', 'dir1')
  await database.register(statusOf('n1', { directoryId: 'dir1' }), long, by)
  const desk = statusOf('desk-v0', { service: 'client', directoryId: null })
  await database.register(desk, long, by)
  await database.renew(['n1', 'desk-v0'], long, by)
  await database.report([desk], long, by)
  t.deepEqual((await client.hkeys(registrations)).sort(), ['/attendance', 'desk-v0', 'n1', 'start/n1'])
})

test('a level and servers that others have written are seen as they count: the level can be put right, and no server reads what can’t be read', async (t) => {
  const { database, registrations } = await open(t)
  const right = { release: '0.2.0', numbers: { envelope: 2 } }
  for (const odd of ['x', 'x envelope=9 and more', 'envelope=9', 'x envelope=99999999999999999999', '  shard=1 envelope=7']) {
    await client.hset(registrations, '/level', odd)
    const found = await database.level()
    t.is((await database.register(statusOf('n1'), long, new Starting('s1', 'dir-n1'))).registered, odd === 'x', odd)
    await database.restoreLevel(right, found!)
    t.deepEqual(await database.level(), right, odd)
    await database.forget('n1')
  }
  await client.hdel(registrations, '/level')
  const raise = () =>
    database.install(nothingInstalled, 'd1', manifestOf('one').manifest, {}, null, null, null, {
      ...{ reads: { envelope: 2 }, level: right, isTaught: false },
    })
  const end = Date.now() + long
  for (const odd of [
    `{"s1":[${end},"{"]}`,
    `{"s1":[${end},"nothing"]}`,
    `{"s1":[${end},"[]"]}`,
    `{"s1":[${end},"{\\"reads\\":[]}"]}`,
  ]) {
    await client.hset(registrations, '/servers', odd)
    t.deepEqual(await database.servers(), [{ id: 's1', software: { release: '?', reads: {}, since: 0 } }], odd)
    t.false(await raise(), odd)
  }
  for (const none of ['', 'x', '[]', '5', '{"s1":5}', `{"s1":["x","{}"]}`, `{"s1":[${end},5]}`]) {
    await client.hset(registrations, '/servers', none)
    t.deepEqual(await database.servers(), [], none)
  }
  t.true(await raise())
})

test('times that nobody can tell are not believed, and their row is there', async (t) => {
  const { database, rows } = await open(t)
  await database.register(statusOf('n1'), long, new Starting('s1', 'dir-n1'))
  const row = JSON.parse((await client.hget(rows, 'n1'))!) as object
  const software = { release: '0.2.0', reads: { envelope: 2 } }
  for (const odd of [1e300, -8.65e15, 9e15]) {
    const text = JSON.stringify({ ...row, since: odd, software: { ...software, since: odd }, rewind: { untilMs: odd } })
    await client.hset(rows, 'n1', text)
    const [found] = await database.nodes()
    t.deepEqual([found!.nodeId, found!.since, found!.software, found!.rewind], ['n1', 0, undefined, undefined])
  }
  const text = JSON.stringify({ ...row, since: 5, software: { ...software, since: 6 }, rewind: { untilMs: 8.64e15 } })
  await client.hset(rows, 'n1', text)
  t.like((await database.nodes())[0], { since: 5, software: { ...software, since: 6 }, rewind: { untilMs: 8.64e15 } })
})

test('the layout has a number: it is written by what is installed, and a newer one is refused before anything is read or written', async (t) => {
  const { database, system } = await open(t)
  const { head, manifests } = keysOf(system)
  const [none, one] = [
    { version: 0, digest: null },
    { version: 1, digest: 'd1' },
  ]
  t.true(await database.install(none, 'd1', manifestOf('one').manifest))
  t.is(await client.hget(head, 'layout'), String(redisLayout))
  for (const older of ['1', String(redisLayout)]) {
    await client.hset(head, 'layout', older)
    t.deepEqual(await database.head(), one)
  }
  for (const newer of [String(redisLayout + 1), 'x', '']) {
    await client.hset(head, 'layout', newer)
    const refused = await t.throwsAsync(database.head())
    t.like(refused, { code: 'config.layout', retryable: false })
    t.regex(refused!.message, /Redis has layout .*\(theseus:\{.*\}:head\).* reads up to 2: use a release that knows it$/)
    await t.throwsAsync(database.manifests(1, 1), { message: refused!.message })
    t.false(await database.install(one, 'd2', manifestOf('two').manifest))
    t.deepEqual([await client.hget(head, 'layout'), await client.hlen(manifests)], [newer, 1])
  }
  // Release 0.1.0 writes none.
  await client.hdel(head, 'layout')
  t.deepEqual(await database.head(), one)
  t.true(await database.install(one, 'd2', manifestOf('two').manifest))
  t.is(await client.hget(head, 'layout'), String(redisLayout))
})

test('a start that can’t be read is none', async (t) => {
  const { database, registrations } = await open(t)
  const [older, newer] = [new Starting('older', 'dir', long), new Starting('newer', 'dir', 1_000)]
  await database.register(statusOf('n1', { directoryId: 'dir' }), long, newer)
  await client.hset(registrations, 'start/n1', 'newer')
  t.like(await database.renew(['n1'], long, older), { unknown: [], elsewhere: [] })
  await client.hset(registrations, 'start/n1', 'newer')
  t.like(await database.register(statusOf('n1', { directoryId: 'dir' }), long, older), { registered: true })
})

test('what is half lost is passed over: a member without a row, one that lapses without a registration', async (t) => {
  const { database, elapse, registrations, rows, transient } = await open(t)
  for (const nodeId of ['n1', 'n2']) await database.register(statusOf(nodeId), long)
  await client.hdel(rows, 'n1')
  t.deepEqual(
    (await database.nodes()).map(({ nodeId }) => nodeId),
    ['n2'],
  )
  await database.register(statusOf('brief', { directoryId: null }), short)
  await client.hdel(registrations, 'brief')
  await elapse(2 * short)
  t.is((await database.nodes()).filter(({ nodeId }) => nodeId === 'n2').length, 1)
  t.is(await client.exists(transient), 0)
})

test('an attendance that can’t be read is none, and begins anew', async (t) => {
  const { database, registrations } = await open(t)
  await client.hset(registrations, '/attendance', 'yes')
  t.is(await database.standing(), undefined)
  t.is((await database.attend(new Starting('server', null))).probation, null)
  t.regex((await client.hget(registrations, '/attendance'))!, /^\d+-server \w+ \d+ 0 - 0$/)
})

test('a login that may not ask which process answers takes none for another, and forgets none', async (t) => {
  const { system, database, registrations } = await open(t)
  await client.call('ACL', 'SETUSER', 'unaware', 'on', '>pw', '~*', '+@all', '-info')
  t.teardown(() => client.call('ACL', 'DELUSER', 'unaware'))
  const unaware = await redis({ host: '127.0.0.1', port: server.port, username: 'unaware', password: 'pw' }).open(
    system,
    systemClock,
  )
  t.teardown(() => unaware.close())
  const by = new Starting('server', null)
  const doubt = async () => [await database.standing(), await unaware.standing()].map((standing) => standing?.probation ?? null)
  const run = async () => (await client.hget(registrations, '/attendance'))!.split(' ')[1]
  await unaware.attend(by)
  t.is(await run(), '-')
  t.deepEqual(await doubt(), [null, null])
  await database.attend(by)
  const known = await run()
  t.regex(known!, /^\w{40}$/)
  t.deepEqual(await doubt(), [null, null])
  await unaware.attend(by)
  t.is(await run(), known)
  t.deepEqual(await doubt(), [null, null])
})

test('a client whose row can’t be read holds deaths back, and no finality', async (t) => {
  const { database, rows } = await open(t)
  const { digest, manifest } = manifestOf('first')
  await database.install(nothingInstalled, digest, manifest)
  await database.register(statusOf('desk-v0', { service: 'client', directoryId: null }), long)
  await client.hset(rows, 'desk-v0', 'not JSON')
  t.is((await database.declareDead(1, 0)).below, 0)
  t.is(await database.finalize(1), 1)
})

test('what is no control, or another one than its field says, holds nobody, and is told of once', async (t) => {
  const { system } = await open(t)
  const { controls } = keysOf(system)
  const told: string[] = []
  const database = await redis(server.url).open(system, systemClock, (message) => void told.push(message))
  t.teardown(() => database.close())
  const since = 1
  const pause = { kind: 'pause', version: 1, reason: 'x', since }
  const hold = { kind: 'hold', nodeId: 'n1', reason: 'x', since }
  const now = { kind: 'now', nodeId: 'n1', version: 1, since }
  const pairs = '\u{1f600}'.repeat(controlReasonLengthMax / 2)
  const senseless: readonly (readonly [field: string, text: string])[] = [
    ...['garbage', 'null', '[]', '1', '"pause"', '{}', '{"kind":"pause"}'].map((text) => ['pause/1', text] as const),
    ...['garbage', '{"kind":"hold"}'].map((text) => ['hold/n1', text] as const),
    ...[{ ...pause, version: 2 }, { ...pause, version: '1' }, { ...pause, since: '1' }, { ...pause, reason: 1 }, hold].map(
      (control) => ['pause/1', JSON.stringify(control)] as const,
    ),
    ...['x'.repeat(controlReasonLengthMax + 1), '€'.repeat(controlReasonLengthMax + 1), `x${pairs}`, 'x'.repeat(100_000)].map(
      (reason) => ['pause/1', JSON.stringify({ ...pause, reason })] as const,
    ),
    ...[{ ...hold, nodeId: 'n2' }, { ...hold, since: null }, { ...hold, reason: null }, { ...now, kind: 'hold' }, pause].map(
      (control) => ['hold/n1', JSON.stringify(control)] as const,
    ),
  ]
  for (const [field, text] of senseless) {
    await client.del(controls)
    await client.hset(controls, field, text)
    t.deepEqual(await database.controls(), [], text.slice(0, 80))
    t.deepEqual(await database.claimPermit('pages', upgradingNode('n1'), {}), { claimed: true }, text.slice(0, 80))
    await database.releasePermit('pages', 'n1')
  }
  const message = (field: string) =>
    `field ${field} of Redis key ${controls} holds no control of this name: ignored, until it is repaired or removed`
  t.deepEqual(told, [message('pause/1'), message('hold/n1')])
  await client.del(controls)
  await client.hset(controls, { 'pause/1': JSON.stringify(pause) })
  for (const text of [
    'garbage',
    { ...now, nodeId: 'n2' },
    { ...now, version: 2 },
    { ...now, kind: 'pause' },
    { ...now, since: 'x' },
  ]) {
    await client.hset(controls, 'now/n1', typeof text === 'string' ? text : JSON.stringify(text))
    t.like(await database.claimPermit('pages', upgradingNode('n1'), {}), { claimed: false, control: pause }, JSON.stringify(text))
  }
  await client.hset(controls, 'now/n1', JSON.stringify(now))
  t.deepEqual(await database.claimPermit('pages', upgradingNode('n1'), {}), { claimed: true })
})

test('a bundle has an expiry while it is staged, and none once it is kept', async (t) => {
  const { system, database } = await open(t)
  const { bundle, head } = keysOf(system)
  const chunk = new Uint8Array(7)
  for (const digest of ['a', 'b', 'c']) await database.putChunk(digest, 0, chunk)
  const expiries = () => Promise.all(['a', 'b', 'c'].map((digest) => client.pttl(bundle(digest))))
  for (const leftMs of await expiries()) t.true(leftMs > stagedMs - short && leftMs <= stagedMs)
  const { digest, manifest } = manifestOf('first')
  t.true(await database.install(nothingInstalled, digest, manifest, {}, null, 'a'))
  await database.keepBundle('b')
  await database.putChunk('c', 1, chunk, 'kept')
  t.deepEqual(await expiries(), [-1, -1, -1])
  await database.putChunk('a', 1, chunk)
  t.deepEqual(await expiries(), [-1, -1, -1])
  t.deepEqual((await client.hkeys(head)).sort(), ['digest', 'layout', 'version'])
})

test('what tells of a staged bundle stays a second longer than the bundle, which would be taken for one that is kept', async (t) => {
  const { system, database } = await open(t)
  const { bundle, head } = keysOf(system)
  for (const index of [0, 1]) {
    await database.putChunk('a', index, new Uint8Array(7))
    const look = `local time = redis.call('TIME') return { time[1] * 1000 + math.floor(time[2] / 1000) + redis.call('PTTL', KEYS[1]), redis.call('HGET', KEYS[2], 'staged/a') }`
    const [goesMs, told] = (await client.eval(look, 2, bundle('a'), head)) as [number, string]
    const longerMs = Number.parseInt(told, 10) - goesMs
    t.true(longerMs > 900 && longerMs < 1100, `${longerMs} ms`)
  }
})

test('a bundle whose chunks are gone before what tells of them begins anew', async (t) => {
  const { system, database } = await open(t)
  const { bundle, head } = keysOf(system)
  for (const index of [0, 1]) await database.putChunk('a', index, new Uint8Array(1000))
  t.regex((await client.hget(head, 'staged/a'))!, /^\d+ 2000$/)
  await client.del(bundle('a'))
  await database.putChunk('a', 0, new Uint8Array(7))
  t.regex((await client.hget(head, 'staged/a'))!, /^\d+ 7$/)
  t.true((await client.pttl(bundle('a'))) > 0)
  await client.hset(head, 'staged/a', 'garbage')
  await database.putChunk('b', 0, new Uint8Array(7))
  t.deepEqual((await client.hkeys(head)).sort(), ['staged/b'])
})

test('with the ACL of release 0.1.0 chunks are put and installed as they were: they have no expiry', async (t) => {
  const { system, database } = await open(t)
  const { bundle } = keysOf(system)
  await client.call('ACL', 'SETUSER', 'older', 'on', '>pw', '~*', '+@all', '-pexpire', '-persist')
  t.teardown(() => client.call('ACL', 'DELUSER', 'older'))
  const older = await redis({ host: '127.0.0.1', port: server.port, username: 'older', password: 'pw' }).open(system, systemClock)
  t.teardown(() => older.close())
  await older.putChunk('a', 0, new Uint8Array([1]))
  t.is(await client.pttl(bundle('a')), -1)
  const { digest, manifest } = manifestOf('first')
  t.true(await older.install(nothingInstalled, digest, manifest, {}, null, 'a'))
  t.deepEqual(await database.getChunk('a', 0), new Uint8Array([1]))
})

test('a login that may only read a death sees it as it was settled last, and settles none', async (t) => {
  const { system, database, elapse, dead } = await open(t)
  const may = ['on', '>pw', 'resetkeys', `~*`, '+@all']
  await client.call('ACL', 'SETUSER', 'reader', ...may.with(3, `%R~${dead}`), ...keysOf(system).nodes.map((key) => `~${key}`))
  t.teardown(() => client.call('ACL', 'DELUSER', 'reader'))
  const at = { host: '127.0.0.1', port: server.port, username: 'reader', password: 'pw' }
  const reader = await redis(at).open(system, systemClock)
  t.teardown(() => reader.close())
  await database.register(statusOf('n1', { version: 3 }), long)
  t.like(await reader.dead(), { below: 0, inForce: 0 })
  await database.declareDead(2, short)
  await elapse(2 * short)
  t.like(await reader.dead(), { below: 2, inForce: 0 })
  t.like(await database.dead(), { below: 2, inForce: 2 })
  t.like(await reader.dead(), { below: 2, inForce: 2 })
  await t.throwsAsync(reader.declareDead(3, 0), { message: /^NOPERM/ })
})

test('a login that may only read sees the nodes as others do: without those that have lapsed, and with them on probation', async (t) => {
  const { system, database, elapse, transient } = await open(t)
  await client.call('ACL', 'SETUSER', 'viewer', 'on', '>pw', '%R~*', '+@all', '-@scripting', '+fcall_ro')
  t.teardown(() => client.call('ACL', 'DELUSER', 'viewer'))
  const at = { host: '127.0.0.1', port: server.port, username: 'viewer', password: 'pw' }
  const viewer = await redis(at).open(system, systemClock)
  t.teardown(() => viewer.close())
  const by = new Starting('s1', 'dir1')
  await database.register(statusOf('desk', { service: 'desks', directoryId: null }), long, by)
  await database.register(statusOf('n1', { directoryId: 'dir1' }), short, by)
  await database.register(statusOf('brief', { directoryId: null }), short, by)
  const seen = async () => (await viewer.nodes()).map(({ nodeId, alive }) => [nodeId, alive])
  const all = [
    ['brief', false],
    ['desk', true],
    ['n1', false],
  ]
  await elapse(2 * short)
  // Nobody was heard: leases have not run.
  t.deepEqual(await seen(), all)
  await database.attend(by)
  t.deepEqual(await seen(), all)
  await until(async () => {
    await elapse(short / 6)
    await database.attend(by)
    return (await database.standing())!.probation === null
  }, 'the probation ends')
  t.deepEqual(await seen(), all.slice(1))
  t.deepEqual((await viewer.nodes('desks')).length, 1)
  t.is(await client.zcard(transient), 2, 'nothing is removed')
  t.deepEqual(await viewer.nodes(), await database.nodes())
  t.is(await client.zcard(transient), 1)
})

test('a login that may only read controls forgets a node, and leaves what it was told', async (t) => {
  const { system, database } = await open(t)
  const { nodes, controls } = keysOf(system)
  await client.call('ACL', 'SETUSER', 'forgetter', 'on', '>pw', `%R~${controls}`, ...nodes.map((key) => `~${key}`), '+@all')
  t.teardown(() => client.call('ACL', 'DELUSER', 'forgetter'))
  const at = { host: '127.0.0.1', port: server.port, username: 'forgetter', password: 'pw' }
  const forgetter = await redis(at).open(system, systemClock)
  t.teardown(() => forgetter.close())
  await database.register(statusOf('n1'), long)
  await database.setControl({ kind: 'hold', nodeId: 'n1', reason: '', since: 1 })
  t.like(await forgetter.claimPermit('pages', upgradingNode('n1'), {}), { control: { kind: 'hold' } })
  await forgetter.forget('n1')
  t.deepEqual(await database.nodes(), [])
  t.is((await database.controls()).length, 1)
  await database.forget('n1')
  t.deepEqual(await database.controls(), [])
})

test('a death of release 0.1.0 is in force from its time on, and the one before until then', async (t) => {
  const { database, dead } = await open(t)
  await client.hset(dead, { below: 3, sinceMs: Date.now() + long, before: 1 })
  t.like(await database.dead(), { below: 3, inForce: 1 })
  await client.hset(dead, { below: 3, sinceMs: Date.now() - short, before: 1 })
  await database.register(statusOf('late', { version: 1 }), long)
  t.like(await database.dead(), { below: 3, inForce: 3 })
})

test('another process than the one that was there when somebody was heard last puts it on probation', async (t) => {
  const { database, registrations } = await open(t)
  const by = new Starting('s1', 'dir1')
  await database.register(statusOf('n1', { directoryId: 'dir1' }), long, by)
  const { epoch } = (await database.standing())!
  const attendance = (await client.hget(registrations, '/attendance'))!.split(' ')
  const run = attendance[1]!
  const other = 'f'.repeat(40)
  await client.hset(registrations, '/attendance', attendance.with(1, other).join(' '))
  t.is((await database.standing())!.probation!.doubt, 'restarted')
  t.deepEqual(await database.claimPermit('pages', upgradingNode('n1'), {}), { claimed: false, onProbation: true })
  const { probation, epoch: later } = await database.attend(new Starting('server', null))
  t.is(probation!.doubt, 'restarted')
  t.not(later, epoch)
  t.is((await client.hget(registrations, '/attendance'))!.split(' ')[1], run)
  await database.attend(new Starting('server', null))
  t.is((await database.standing())!.epoch, later, 'once')
})

test('an audit whose entries are lost, all or some, keeps those that come after, by their own bytes', async (t) => {
  const { system } = await open(t)
  const database = await redisKeeping({ entriesMax: 10, bytesMax: 100 }, server.url).open(system, systemClock)
  t.teardown(() => database.close())
  const add = async () => {
    const head = await database.auditHead()
    const entry = entryOf(head.number + 1, 30)
    t.true(await database.appendAudit(head, entry, placeOf(entry)))
  }
  const { audit } = keysOf(system)
  const held = async () => (await client.lrange(audit, 0, -1)).map((entry) => Number.parseInt(entry, 10))
  for (let i = 0; i < 3; i++) await add()
  await client.del(audit)
  for (const kept of [[4], [4, 5], [4, 5, 6], [5, 6, 7]]) {
    await add()
    t.deepEqual(await held(), kept)
  }
  await client.ltrim(audit, -1, -1)
  for (const kept of [[8], [8, 9], [8, 9, 10], [9, 10, 11]]) {
    await add()
    t.deepEqual(await held(), kept)
  }
})

test('a head that can’t be read says nothing of what is given back', async (t) => {
  const { system, database } = await open(t)
  await database.attend(new Starting('server', null))
  await database.doubt(new Starting('server', null))
  await client.hset(keysOf(system).head, 'version', 'three')
  await t.notThrowsAsync(database.restoreEnded({ dead: 1, final: 1 }))
  t.deepEqual([(await database.dead()).inForce, await database.finalized()], [0, 0])
})

test('the newest directives are kept, and so many', async (t) => {
  const { system, database } = await open(t)
  const { directives, directiveCount } = keysOf(system)
  const old = Array.from({ length: directivesKeptMax }, (_, i) => JSON.stringify([`old ${i}`, null, true]))
  await client.rpush(directives, ...old)
  await client.set(directiveCount, directivesKeptMax)
  const fresh: Directive = { ...directiveOf(directivesKeptMax + 1), createdAt: '2099-01-01T00:00:00.000Z' }
  t.true((await database.direct(fresh, { bytes: new Uint8Array([1]), signature: null }, nothingInstalled)).done)
  t.is(await client.llen(directives), directivesKeptMax)
  t.is(await client.lindex(directives, 0), old[1]!)
})
