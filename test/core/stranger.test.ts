/**
 * A stranger, by docs/protocol.md alone, on a real nats-server with a real Redis: everything a
 * client needs is on that page.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import test, { type ExecutionContext } from 'ava'
import { command, createHost, NodeObject, query, type RunningHost, startUpgradeServer } from '../../index.js'
import { memoryRepository, memoryStore } from '../../transports/memory/index.js'
import { nats } from '../../transports/nats/index.js'
import { redis } from '../../transports/redis/index.js'
import { until } from '../support/eventually.js'
import { vectors } from '../support/protocolPage.js'
import { startNatsServer, startRedisServer, type TestServer } from '../support/servers.js'
import { StrangerClient, StrangerFault, valuesOf } from '../support/strangerClient.js'

class Pages extends NodeObject<{ pages: Record<string, unknown> }> {
  static override readonly className = 'Pages.v1'
  static override initial() {
    return { pages: {} }
  }

  @command put(url: string, html: unknown): void {
    this.state.pages[url] = html
  }

  @query get(url: string): unknown {
    return this.state.pages[url] ?? null
  }
}

let servers: { readonly nats: TestServer; readonly redis: TestServer }
let host: RunningHost
let stopUpgradeServer: () => Promise<void>

test.before(async () => {
  servers = { nats: await startNatsServer(), redis: await startRedisServer() }
  const ways = { system: 'shop', transport: nats(servers.nats.url), udb: redis(servers.redis.url) }
  stopUpgradeServer = (await startUpgradeServer(ways)).stop
  host = await createHost({ ...ways, state: memoryStore(), bundles: memoryRepository() })
  await host.node(Pages, 'p1')
})

test.after.always(async () => {
  await host?.stop()
  await stopUpgradeServer?.()
  await servers?.nats.stop()
  await servers?.redis.stop()
})

async function stranger(t: ExecutionContext, label = 0, system = 'shop'): Promise<StrangerClient> {
  const client = await StrangerClient.connect(servers.nats.url, system, label)
  t.teardown(() => client.close())
  return client
}

async function faultOf(t: ExecutionContext, answer: Promise<unknown>): Promise<StrangerFault> {
  return (await t.throwsAsync(answer, { instanceOf: StrangerFault })) as StrangerFault
}

/** Where the history ends. The log's id, which is drawn by chance, is told with it. */
async function headOf(client: StrangerClient): Promise<unknown> {
  const { log, ...head } = (await client.call('server', 'head')).value as Record<string, unknown>
  return typeof log === 'string' ? head : { ...head, log }
}

test('a stranger imports nothing of Theseus', (t) => {
  const source = readFileSync(new URL('../../../test/support/strangerClient.ts', import.meta.url), 'utf8')
  t.deepEqual(
    [...source.matchAll(/\bfrom '(.*)'/g)].map(([, from]) => from),
    ['nats'],
  )
})

test('a stranger puts a page and gets it, from the node and from its service, and hears who answered', async (t) => {
  const client = await stranger(t)
  t.is((await client.call('node.p1', 'put', '/index.html', '<h1>Theseus</h1>')).value, null)
  const answer = { value: '<h1>Theseus</h1>', node: 'p1', className: 'Pages.v1', version: 0 }
  t.deepEqual(await client.call('node.p1', 'get', '/index.html'), answer)
  t.deepEqual(await client.call('service.pages', 'get', '/index.html'), answer)
})

test('a stranger’s page of every type comes back as it was put', async (t) => {
  const client = await stranger(t)
  const html = [
    null,
    true,
    false,
    0,
    31,
    200,
    70_000,
    2 ** 32,
    -1,
    -200,
    -(2 ** 40),
    0.5,
    'é'.repeat(40),
    new Uint8Array([1, 2]),
    { a: { b: [] } },
  ]
  await client.call('node.p1', 'put', '/types', html)
  t.deepEqual((await client.call('node.p1', 'get', '/types')).value, html)
})

test('what a Theseus host keeps reads the same to a stranger, instants too', async (t) => {
  const html = {
    ago: new Date(-1),
    second: new Date(1_700_000_000_000),
    millisecond: new Date(1_700_000_000_123),
    long: 'x'.repeat(70_000),
  }
  await host.ref(Pages, 'p1').put('/host', html)
  t.deepEqual((await (await stranger(t)).call('node.p1', 'get', '/host')).value, html)
})

test('a stranger’s send is carried out', async (t) => {
  const client = await stranger(t)
  client.send('node.p1', 'put', '/sent', 'S')
  t.is((await client.call('node.p1', 'get', '/sent')).value, 'S')
})

test('several calls of a stranger in one message are all answered', async (t) => {
  const client = await stranger(t)
  const [put, got, wrong] = client.ask(
    'node.p1',
    { method: 'put', args: ['/batch', 'B'] },
    { method: 'get', args: ['/batch'] },
    { method: 'frobnicate' },
  )
  t.is((await put!).value, null)
  t.is((await got!).value, 'B')
  t.is((await faultOf(t, wrong!)).code, 'protocol.no-such-method')
})

test('a method that there is not gets a stranger protocol.no-such-method', async (t) => {
  const fault = await faultOf(t, (await stranger(t)).call('node.p1', 'frobnicate'))
  t.is(fault.code, 'protocol.no-such-method')
  t.false(fault.retryable)
})

test('a node that there is not gets a stranger 503 from NATS, at once', async (t) => {
  const client = await stranger(t)
  t.is((await faultOf(t, client.call('node.p9', 'get', '/'))).code, '503')
  t.is((await faultOf(t, client.call('service.nothing', 'get', '/'))).code, '503')
})

test('version 99 gets a stranger version.unknown', async (t) => {
  const fault = await faultOf(t, (await stranger(t, 99)).call('node.p1', 'get', '/'))
  t.is(fault.code, 'version.unknown')
  t.false(fault.retryable)
})

test('a stranger that expects another class hears of it', async (t) => {
  const [wrong, right] = (await stranger(t)).ask(
    'node.p1',
    { method: 'get', args: ['/'], fields: { 11: 'Pages.v7' } },
    { method: 'get', args: ['/nothing'], fields: { 11: 'Pages.v1', 12: null, 13: null, 14: 'of a later format' } },
  )
  t.is((await faultOf(t, wrong!)).code, 'protocol.wrong-class')
  t.is((await right!).value, null)
})

test('a stranger that sends what can’t be read hears of it on the reply subject of that message', async (t) => {
  const client = await stranger(t)
  const [format] = client.ask('node.p1', { method: 'get', fields: { 0: 3 } })
  const fault = await faultOf(t, format!)
  t.is(fault.code, 'protocol.format')
  t.deepEqual(fault.details, { accepts: [1, 2] })
  const [negative] = client.ask('node.p1', { method: 'get', fields: { 2: -1 } })
  t.is((await faultOf(t, negative!)).code, 'protocol.bad-envelope')
})

test('a stranger’s reader reads every vector of the page', (t) => {
  for (const { title, bytes, envelopes } of [...vectors('One call, whole'), ...vectors('Test vectors')]) {
    const arrays = valuesOf(bytes) as unknown[][]
    t.is(arrays.length, envelopes.length, title)
    for (const [i, envelope] of envelopes.entries()) {
      if (envelope.kind !== 'call' && envelope.kind !== 'reply') continue
      const { kind: _, ...fields } = envelope
      // The origin is two fields.
      const values = Object.entries(fields).flatMap(([name, value]) =>
        name === 'origin' ? Object.values(value as object) : [value],
      )
      t.deepEqual(arrays[i]!.slice(2), values, title)
    }
  }
})

test('a stranger installs an upgrade by the page, and is told when somebody was first', async (t) => {
  // A system of its own: its version advances.
  const ways = { system: 'library', transport: nats(servers.nats.url), udb: redis(servers.redis.url) }
  const server = await startUpgradeServer(ways)
  t.teardown(() => server.stop())
  const client = await stranger(t, 0, 'library')
  const announced: number[] = []
  client.onAnnouncement((version) => announced.push(version))

  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  const bundle = new Uint8Array(262144 + 10).fill(7)
  const digest = sha256(bundle)
  const manifest = (previous: string | null, version: number) =>
    new TextEncoder().encode(
      JSON.stringify({
        ...{ format: 1, runtime: 1, system: 'library', version, previous, title: 'a stranger’s', reason: null, undoes: null },
        ...{
          createdAt: '2026-01-01T00:00:00.000Z',
          upgrader: null,
          upgraders: null,
          bundle: { digest, bytes: bundle.length },
          classUpgrades: [],
          tables: {},
          gate: null,
        },
        later: 'a field that nobody knows',
      }),
    )
  const first = manifest(null, 1)

  t.deepEqual(await headOf(client), { version: 0, digest: null, dead: 0, final: 0, directives: 0 })
  const who = (await client.call('server', 'who')).value as { server: string; now: number }
  t.regex(who.server, /^\w+$/)
  t.true(Math.abs(who.now - Date.now()) < 10_000, 'the clock of the upgrade server, which is this machine’s')
  t.is((await faultOf(t, client.call('server', 'chunk', digest, 0))).code, 'upgrade.fetch')
  t.is((await faultOf(t, client.call('install', 'install', first, null))).code, 'upgrade.invalid')
  await client.call('install', 'putChunk', digest, 0, bundle.subarray(0, 262144))
  await client.call('install', 'putChunk', digest, 1, bundle.subarray(262144))
  t.deepEqual((await client.call('server', 'chunk', digest, 1)).value, bundle.slice(262144))

  t.deepEqual((await client.call('install', 'install', first, null)).value, { version: 1 })
  t.deepEqual((await client.call('install', 'install', first, null)).value, { version: 1 }, 'the same again is answered as done')
  t.deepEqual(await headOf(client), {
    version: 1,
    digest: sha256(first),
    dead: 0,
    final: 0,
    directives: 0,
  })
  t.deepEqual((await client.call('server', 'manifests', 1, 16)).value, [[first, null]])
  await until(() => announced.includes(1), 'version 1 is announced')

  const late = await faultOf(t, client.call('install', 'install', manifest(null, 3), null))
  t.is(late.code, 'upgrade.conflict')
  t.deepEqual(late.details, { newest: 1 })
  t.is((await faultOf(t, client.call('install', 'install', manifest(null, 2), null))).code, 'upgrade.conflict')
  t.deepEqual((await client.call('install', 'install', manifest(sha256(first), 2), null)).value, { version: 2 })
})
