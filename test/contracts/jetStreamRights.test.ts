/**
 * The rights of docs/security.md, "Logs of shards", on a real server: a host can do all that a log needs and
 * no more, and a login without a right is told which one it lacks.
 */
import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { connect, type NatsConnection } from 'nats'
import { jetStreamLogs } from '../../transports/jetstream/index.js'
import { refusalOf } from '../support/rejections.js'
import { startNatsServer, type TestServer } from '../support/servers.js'

process.removeAllListeners('warning')

const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8')
const block = /^```jetstream\n(.*?)^```$/ms.exec(page)![1]!

/** Logins with less than a host has. */
const lesser = [
  ['client', '"theseus.shop.node.*"', '"_INBOX.client.>"'],
  ['untrimming', '"theseus-log.shop.>", "$JS.API.STREAM.INFO.*", "$JS.API.DIRECT.GET.*"', '"_INBOX.untrimming.>"'],
  ['reader', '"$JS.API.STREAM.INFO.*", "$JS.API.DIRECT.GET.*", "$JS.API.STREAM.MSG.GET.*"', '"_INBOX.reader.>"'],
  ['deaf', '"theseus-log.shop.>", "$JS.API.>"', '"nothing"'],
]
  .map(
    ([user, publish, subscribe]) =>
      `{ user: ${user}, password: x, permissions: { publish: [${publish}], subscribe: [${subscribe}] } }`,
  )
  .join('\n')

let server: TestServer

test.before(async () => {
  server = await startNatsServer({
    args: ['-c', 'nats.conf', '--jetstream', '--store_dir', 'jetstream'],
    files: { 'nats.conf': block.replace(/^ {2}\]$/m, `${lesser}\n]`) },
    env: { HOST_PASSWORD: 'x', OPERATOR_PASSWORD: 'x' },
  })
})

test.after.always(() => server?.stop())

function logsOf(t: ExecutionContext, user: string, system = 'shop') {
  const login = { user, pass: 'x', inboxPrefix: `_INBOX.${user}` }
  const logs = jetStreamLogs({ servers: server.url, system, replicas: 1, answerTimeoutMs: 10_000, ...login })
  t.teardown(() => logs.close())
  return logs
}

async function login(t: ExecutionContext, user: string): Promise<NatsConnection> {
  const connection = await connect({ servers: server.url, user, pass: 'x', inboxPrefix: `_INBOX.${user}` })
  t.teardown(() => connection.close())
  return connection
}

/** Whether the server lets this login publish there. Refusals come in order: one that is sure comes last. */
async function mayPublish(connection: NatsConnection, subject: string): Promise<boolean> {
  const refused: (string | undefined)[] = []
  const statuses = connection.status()
  connection.publish(subject, '{}')
  connection.publish('forbidden.to.all')
  for await (const { permissionContext } of statuses) {
    refused.push(permissionContext?.subject)
    if (permissionContext?.subject === 'forbidden.to.all') break
  }
  return !refused.includes(subject)
}

test('a host makes, appends, reads, trims and keeps snapshots with the rights of the page', async (t) => {
  const log = await logsOf(t, 'host').open('pages', 0)
  for (let after = 0; after < 5; after++) t.is((await log.append(new Uint8Array([after]), after)).kind, 'appended')
  await log.trim(3)
  const found: number[] = []
  for await (const { position } of log.read(3)) found.push(position)
  t.deepEqual(found, [4, 5])
  await log.snapshots.write('1-1', [new Uint8Array([1])])
  t.deepEqual(await log.snapshots.names(), ['1-1'])
  for await (const slice of log.snapshots.read('1-1')) t.deepEqual(slice, new Uint8Array([1]))
  await log.snapshots.delete('1-1')
  t.deepEqual(await log.snapshots.names(), [])
})

test('a host may not take out or change what callers were told, nor write into another system', async (t) => {
  const host = await login(t, 'host')
  const stream = 'theseus-log+shop+pages+9'
  for (const subject of [
    `$JS.API.STREAM.DELETE.${stream}`,
    `$JS.API.STREAM.MSG.DELETE.${stream}`,
    `$JS.API.STREAM.UPDATE.${stream}`,
    `$JS.API.STREAM.RESTORE.${stream}`,
    'theseus-log.other.pages.9',
  ])
    t.false(await mayPublish(host, subject), subject)
  t.true(await mayPublish(host, 'theseus-log.shop.pages.9'))
  const refusal = await refusalOf(t, async () => {
    const outcome = await (await logsOf(t, 'host', 'other').open('pages', 0)).append(new Uint8Array([1]), 0)
    if (outcome.kind === 'refused') throw outcome.fault
  })
  t.is(refusal.code, 'config.invalid')
  t.regex(refusal.message, /may not use theseus-log\.other\.pages\.0/)
})

test('an operator looks at streams and mends their settings; it reads no entry, and removes none', async (t) => {
  await logsOf(t, 'host').open('pages', 1)
  const operator = await login(t, 'operator')
  const stream = 'theseus-log+shop+pages+1'
  const { config } = (await operator.request(`$JS.API.STREAM.INFO.${stream}`)).json<any>()
  const updated = (
    await operator.request(`$JS.API.STREAM.UPDATE.${stream}`, JSON.stringify({ ...config, max_bytes: 1e9 }))
  ).json<any>()
  t.is(updated.config?.max_bytes, 1e9, JSON.stringify(updated))
  t.true((await operator.request('$JS.API.STREAM.NAMES')).json<any>().streams.includes(stream))
  for (const subject of [
    ...[`$JS.API.STREAM.PURGE.${stream}`, `$JS.API.STREAM.DELETE.${stream}`, `$JS.API.STREAM.MSG.DELETE.${stream}`],
    ...[`$JS.API.DIRECT.GET.${stream}`, `$JS.API.STREAM.MSG.GET.${stream}`, 'theseus-log.shop.pages.1'],
  ])
    t.false(await mayPublish(operator, subject), subject)
})

test('a login that lacks a right is told which, at once', async (t) => {
  await logsOf(t, 'host').open('pages', 2)
  const refused = async (what: () => Promise<unknown>, subject: RegExp) => {
    const refusal = await refusalOf(t, what)
    t.is(refusal.code, 'config.invalid')
    t.regex(refusal.message, subject)
  }
  await refused(() => logsOf(t, 'client').open('pages', 2), /may not use \$JS\.API\.STREAM\.INFO/)
  await refused(() => logsOf(t, 'deaf').open('pages', 2), /may not use _INBOX\.deaf/)
  await refused(() => logsOf(t, 'reader').open('pages', 3), /may not use \$JS\.API\.STREAM\.CREATE/)
  const untrimming = await logsOf(t, 'untrimming').open('pages', 2)
  for (let after = 0; after < 3; after++) t.is((await untrimming.append(new Uint8Array([1]), after)).kind, 'appended')
  await refused(() => untrimming.trim(2), /may not use \$JS\.API\.STREAM\.PURGE/)
  const reader = await logsOf(t, 'reader').open('pages', 2)
  const outcome = await reader.append(new Uint8Array([1]), 3)
  t.like(outcome, { kind: 'refused', fault: { code: 'config.invalid' } })
  await refused(() => reader.snapshots.write('1-1', [new Uint8Array([1])]), /may not use theseus-snap\.shop\.pages\.2\.1-1\.0/)
})
