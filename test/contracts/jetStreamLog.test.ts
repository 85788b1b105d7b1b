/** The port `Log` on one real nats-server: the contract, and the streams that are made or refused. */
import test, { type ExecutionContext } from 'ava'
import { connect, type NatsConnection } from 'nats'
import type { ShardLog } from '../../core/ports/log.js'
import { type JetStreamOptions, jetStreamLogs } from '../../transports/jetstream/index.js'
import { until } from '../support/eventually.js'
import { refusalOf } from '../support/rejections.js'
import { startNatsServer, type TestServer } from '../support/servers.js'
import { logContract } from './logContract.js'
import { snapshotsContract } from './snapshotsContract.js'

process.removeAllListeners('warning')

let server: TestServer
let operator: NatsConnection

test.before(async () => {
  server = await startNatsServer({ args: ['--jetstream', '--store_dir', 'jetstream'] })
  operator = await connect({ servers: server.url })
})

test.after.always(async () => {
  await operator?.close()
  await server?.stop()
})

function logsOf(t: ExecutionContext, options: Partial<JetStreamOptions> = {}) {
  const logs = jetStreamLogs({ servers: server.url, system: 'shop', replicas: 1, answerTimeoutMs: 10_000, ...options })
  t.teardown(() => logs.close())
  return logs
}

let shards = 0
const fresh = (t: ExecutionContext) => {
  const shard = ++shards
  const shared = logsOf(t)
  let opens = 0
  // The first two share a connection, as the shards of one host do.
  return { open: () => (++opens > 2 ? logsOf(t) : shared).open('notes', shard) }
}
logContract('JetStream', fresh, { writers: 'many' })
snapshotsContract('JetStream', async (t) => (await fresh(t).open()).snapshots)

async function api(name: string, body: object = {}): Promise<any> {
  return (await operator.request(`$JS.API.${name}`, JSON.stringify(body), { timeout: 10_000 })).json()
}

async function entriesOf(log: ShardLog, after = 0): Promise<readonly number[]> {
  const found: number[] = []
  for await (const { position } of log.read(after)) found.push(position)
  return found
}

test('logs of one replica are told of once, as durable and not replicated', async (t) => {
  const told: string[] = []
  const logs = logsOf(t, { onWarning: (line) => void told.push(line) })
  await Promise.all([logs.open('told', 0), logs.open('told', 1)])
  t.is(told.length, 1)
  t.regex(told[0]!, /^the logs of told have one replica: durable, not replicated\. /)
})

test('two that open a new log at once both have it, and it loses nothing by age or number', async (t) => {
  const [a, b] = await Promise.all([logsOf(t).open('pages', 0), logsOf(t).open('pages', 0)])
  t.is((await a.append(new Uint8Array([1]), 0)).kind, 'appended')
  t.is((await b.append(new Uint8Array([2]), 0)).kind, 'conflict')
  const { config } = await api('STREAM.INFO.theseus-log+shop+pages+0')
  t.like(config, {
    subjects: ['theseus-log.shop.pages.0'],
    storage: 'file',
    num_replicas: 1,
    discard: 'new',
    max_age: 0,
    max_bytes: -1,
    max_msgs: -1,
    max_msgs_per_subject: -1,
    allow_rollup_hdrs: false,
    deny_delete: true,
    deny_purge: false,
  })
  t.is(a.durability, 'process')
  t.is((await logsOf(t, { isSynced: true }).open('pages', 0)).durability, 'disk')
})

test('the shards of a service are those whose logs were made, in order: of this system and this service', async (t) => {
  const logs = logsOf(t)
  t.deepEqual(await logs.shardsOf('carts'), [])
  for (const [service, shard] of [
    ['carts', 10],
    ['carts', 2],
    ['carts2', 1],
  ] as const)
    await logs.open(service, shard)
  await logsOf(t, { system: 'shop2' }).open('carts', 5)
  t.deepEqual(await logs.shardsOf('carts'), [2, 10])
})

const broken: readonly (readonly [shard: number, settings: object, line: RegExp])[] = [
  [1, { discard: 'old' }, /discard is "old", and must be "new".* nats stream edit theseus-log\+shop\+pages\+1 --discard new$/],
  [2, { max_age: 60e9 }, /max_age is 60000000000, and must be 0.* --max-age 0s$/],
  [3, { storage: 'memory' }, /storage is "memory", and must be "file".* no edit can change that/],
  [4, { max_msgs_per_subject: 5 }, /max_msgs_per_subject is 5, and must be -1/],
  [5, { allow_direct: false }, /allow_direct is false, and must be true/],
  [6, { deny_purge: true }, /deny_purge is true, and must be false/],
  [7, { allow_rollup_hdrs: true, deny_delete: false }, /allow_rollup_hdrs .*; deny_delete .* --no-allow-rollup --deny-delete$/],
  [8, { subjects: ['theseus-log.shop.pages.8', 'other'] }, /subjects is .*, and must be \["theseus-log.shop.pages.8"\]/],
  [9, { retention: 'interest' }, /retention is "interest", and must be "limits"/],
]

test('a stream that would lose entries, or can’t be trimmed, is refused with the setting and the command that mends it', async (t) => {
  for (const [shard, settings, line] of broken) {
    const made = await api(`STREAM.CREATE.theseus-log+shop+pages+${shard}`, {
      ...{ name: `theseus-log+shop+pages+${shard}`, subjects: [`theseus-log.shop.pages.${shard}`], storage: 'file' },
      ...{ retention: 'limits', discard: 'new', allow_direct: true, deny_delete: true, num_replicas: 1, ...settings },
    })
    t.is(made.error, undefined, JSON.stringify(made))
    const refusal = await refusalOf(t, () => logsOf(t).open('pages', shard))
    t.is(refusal.code, 'config.invalid')
    t.regex(refusal.message, line)
    t.notRegex(refusal.message, /\n/)
  }
})

test('a stream with a limit of its own refuses entries when it is full, and takes them when it was trimmed', async (t) => {
  const stream = 'theseus-log+shop+pages+20'
  await (await logsOf(t).open('pages', 20)).close()
  const { config } = await api(`STREAM.INFO.${stream}`)
  t.is((await api(`STREAM.UPDATE.${stream}`, { ...config, max_bytes: 2_000, max_msg_size: 1_000 })).error, undefined)
  const log = await logsOf(t).open('pages', 20)
  t.like(await log.append(new Uint8Array(2_000), 0), { kind: 'refused', fault: { code: 'protocol.too-large' } })
  let last = 0
  for (; ; last++) {
    const outcome = await log.append(new Uint8Array(300), last)
    if (outcome.kind === 'appended') continue
    t.like(outcome, { kind: 'refused', fault: { code: 'unavailable.storage' } })
    break
  }
  t.true(last > 1)
  await log.trim(last)
  t.is((await log.append(new Uint8Array(300), last)).kind, 'appended')
})

test('a log whose stream was deleted, or begins anew, is told of', async (t) => {
  const log = await logsOf(t, { answerTimeoutMs: 300 }).open('pages', 21)
  for (let after = 0; after < 5; after++) await log.append(new Uint8Array([1]), after)
  t.true((await api('STREAM.DELETE.theseus-log+shop+pages+21')).success)
  // A server that is too slow to say so makes it unknown.
  const outcome = await until(async () => {
    const found = await log.append(new Uint8Array([1]), 5)
    return found.kind !== 'unknown' && found
  }, 'it is known that the log is gone')
  t.like(outcome, { kind: 'refused', fault: { code: 'config.log-lost' } })
  t.is((await refusalOf(t, () => log.ends())).code, 'config.log-lost')
  t.is((await refusalOf(t, () => entriesOf(log))).code, 'config.log-lost')
  const anew = await logsOf(t).open('pages', 21)
  t.deepEqual(await anew.ends(), { first: 1, last: 0 })
  t.is((await log.append(new Uint8Array([1]), 5)).kind, 'conflict')
})

test('an entry that is missing between others is a lost log', async (t) => {
  const stream = 'theseus-log+shop+pages+22'
  const log = await logsOf(t).open('pages', 22)
  for (let after = 0; after < 5; after++) await log.append(new Uint8Array([after]), after)
  // An operator's rights can't take one out.
  t.is((await api(`STREAM.MSG.DELETE.${stream}`, { seq: 3 })).error.err_code, 10057)
  t.deepEqual(await entriesOf(log), [1, 2, 3, 4, 5])
  // Where the stream was made in another way while the log was open, they can.
  await api(`STREAM.DELETE.${stream}`)
  await api(`STREAM.CREATE.${stream}`, {
    name: stream,
    subjects: ['theseus-log.shop.pages.22'],
    storage: 'file',
    allow_direct: true,
  })
  for (let after = 0; after < 5; after++) t.is((await log.append(new Uint8Array([after]), after)).kind, 'appended')
  t.true((await api(`STREAM.MSG.DELETE.${stream}`, { seq: 3 })).success)
  const refusal = await refusalOf(t, () => entriesOf(log))
  t.is(refusal.code, 'config.log-lost')
  t.regex(refusal.message, /entry 3 is not there/)
  t.deepEqual(await entriesOf(log, 3), [4, 5])
})

test('a snapshot that lacks a slice, or has another, is a lost one; a slice that is stored twice takes room once', async (t) => {
  const { snapshots } = await logsOf(t).open('books', 1)
  const slice = (byte: number) => new Uint8Array(100).fill(byte)
  for (const name of ['1-1', '1-2', '1-3']) await snapshots.write(name, [slice(1), slice(2), slice(3)])
  const read = async (name: string) => {
    for await (const one of snapshots.read(name)) t.is(one.length, 100)
  }
  const under = 'theseus-snap.shop.books.1'
  await operator.request(`${under}.1-1.1`, slice(2))
  await read('1-1')
  t.is((await api('STREAM.INFO.theseus-snap+shop+books')).state.messages, 12)
  await operator.request(`${under}.1-2.1`, slice(9))
  t.regex((await refusalOf(t, () => read('1-2'))).message, /1-2 .* has another digest/)
  t.true((await api('STREAM.PURGE.theseus-snap+shop+books', { filter: `${under}.1-3.1` })).success)
  const refusal = await refusalOf(t, () => read('1-3'))
  t.is(refusal.code, 'config.log-lost')
  t.regex(refusal.message, /lacks slice 1/)
})

test('a snapshot removes those of its shard that were never ended, and no others', async (t) => {
  const logs = logsOf(t)
  const [one, two] = [await logs.open('cards', 1), await logs.open('cards', 11)]
  await one.snapshots.write('1-1', [new Uint8Array(10)])
  // Of an owner that was killed.
  for (const subject of ['1.1-2.0', '1.1-2.1', '11.1-2.0'])
    await operator.request(`theseus-snap.shop.cards.${subject}`, new Uint8Array(5))
  await one.snapshots.write('2-1', [new Uint8Array(10)])
  t.deepEqual([...(await one.snapshots.names())].sort(), ['1-1', '2-1'])
  t.deepEqual(await two.snapshots.names(), [])
  const { state } = await api('STREAM.INFO.theseus-snap+shop+cards', { subjects_filter: '>' })
  t.deepEqual(Object.keys(state.subjects).sort(), [
    ...['theseus-snap.shop.cards.1.1-1.0', 'theseus-snap.shop.cards.1.1-1.end', 'theseus-snap.shop.cards.1.2-1.0'],
    ...['theseus-snap.shop.cards.1.2-1.end', 'theseus-snap.shop.cards.11.1-2.0'],
  ])
  t.is((await refusalOf(t, () => one.snapshots.write('1-1', []))).code, 'config.invalid')
  for (const name of ['', 'a.b', '*', '>', 'a b', 'x'.repeat(65)])
    t.is((await refusalOf(t, () => one.snapshots.write(name, []))).code, 'config.invalid', name)
})

test('shards, services and systems with like names have streams of their own', async (t) => {
  const opened = await Promise.all([
    logsOf(t, { system: 'a-b' }).open('c', 1),
    logsOf(t, { system: 'a' }).open('b-c', 1),
    logsOf(t, { system: 'a_b' }).open('c', 1),
    logsOf(t, { system: 'a' }).open('b-c', 11),
  ])
  for (const log of opened) t.is((await log.append(new Uint8Array([1]), 0)).kind, 'appended')
  const longest = 'x'.repeat(64)
  const log = await logsOf(t, { system: longest }).open(longest, Number.MAX_SAFE_INTEGER)
  t.is((await log.append(new Uint8Array(log.entryBytesMax), 0)).kind, 'appended')
  for (const [service, shard] of [
    ['a.b', 1],
    ['a+b', 1],
    ['*', 1],
    ['', 1],
    ['a', -1],
    ['a', 1.5],
  ] as const)
    t.is((await refusalOf(t, () => logsOf(t).open(service, shard))).code, 'config.invalid', `${service} ${shard}`)
})

test('settings that can’t be meant, too many replicas and a server without JetStream are refused in clear lines', async (t) => {
  for (const replicas of [0, 6, 1.5, Number.NaN])
    t.throws(() => jetStreamLogs({ servers: server.url, system: 'shop', replicas }), { code: 'config.invalid' })
  t.throws(() => jetStreamLogs({ servers: '', system: 'shop', replicas: 1 }), { code: 'config.invalid' })
  const tooMany = await refusalOf(t, () => logsOf(t, { replicas: 3 }).open('pages', 30))
  t.is(tooMany.code, 'config.invalid')
  t.regex(tooMany.message, /too few nats-servers with JetStream for 3 replicas/)
  const bare = await startNatsServer()
  t.teardown(() => bare.stop())
  const without = await refusalOf(t, () => logsOf(t, { servers: bare.url, answerTimeoutMs: 200 }).open('pages', 0))
  t.is(without.code, 'unavailable.storage')
  t.regex(without.message, /does nats-server run with JetStream \(-js\)/)
})
