/**
 * Two systems with servers of their own, and the permissions of docs/security.md, "Neighbours": the shop can
 * do its part at the warehouse, and no more.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test, { type ExecutionContext } from 'ava'
import { Redis } from 'ioredis'
import { connect, nkeyAuthenticator } from 'nats'
import { createUser } from 'nkeys.js'
import { createHost, type HostEvent, type HostOptions, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { newKey, signer } from 'theseus-actors/nkeys'
import { redis } from 'theseus-actors/redis'
import { StockV1 } from '../../samples/09-neighbours/stock.js'
import { TillV1 } from '../../samples/09-neighbours/till.js'
import { newDirectory } from '../natsctl/natsctlProcess.js'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'
import { codeOf } from '../support/testSystem.js'

const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8')
const root = fileURLToPath(new URL('../../../', import.meta.url))

function block(language: string): string {
  return new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(page)![1]!
}

/** The lists of the neighbour's login on the page. */
function listed(what: 'publish' | 'subscribe'): readonly string[] {
  return [...new RegExp(`${what}: \\[([^\\]]*)\\]`).exec(block('neighbour'))![1]!.matchAll(/"([^"]+)"/g)].map(
    ([, subject]) => subject!,
  )
}

async function startServers(t: ExecutionContext) {
  const login = createUser()
  const all = ['theseus.shop.>', '_INBOX.shop.>', '$SRV.>']
  const text = (subjects: readonly string[]) => JSON.stringify(subjects)
  const config = `authorization { users = [
    { user: warehouse, password: of-warehouse, permissions: { publish: ["theseus.warehouse.>", "_INBOX.>"], subscribe: ["theseus.warehouse.>", "_INBOX.w.>"] } }
    { nkey: ${login.getPublicKey()}, permissions: { publish: ${text([...all, ...listed('publish')])}, subscribe: ${text([...all, ...listed('subscribe')])} } }
  ] }`
  const acl = `user default on nopass ~* +@all\n${block('neighbour-acl').replace('SHOP-PASSWORD', 'of-shop')}`
  const [natsServer, redisThere, redisHere] = await Promise.all([
    startNatsServer({ args: ['-c', 'nats.conf'], files: { 'nats.conf': config } }),
    startRedisServer({ files: { 'users.acl': acl }, args: ['--aclfile', 'users.acl'] }),
    startRedisServer(),
  ])
  t.teardown(() => Promise.all([natsServer, redisThere, redisHere].map((server) => server.stop())))
  const seed = new TextDecoder().decode(login.getSeed())
  return { natsServer, redisThere, redisHere, seed, login }
}

async function start(t: ExecutionContext, options: HostOptions, deaths: object = {}): Promise<RunningHost> {
  const { upgrader, hostId, ...shared } = options
  const server = await startUpgradeServer({ ...shared, ...deaths })
  t.teardown(() => server.stop())
  return startHost(t, options)
}

async function startHost(t: ExecutionContext, options: HostOptions): Promise<RunningHost> {
  const host = await createHost({ state: memoryStore(), bundles: newDirectory(t), discovery: false, ...options })
  t.teardown(() => host.stop())
  return host
}

function build(name: string) {
  return buildUpgrade(new URL(`file://${join(root, 'dist/samples/09-neighbours/upgrades', name)}`))
}

test('with the permissions of the page a shop calls a warehouse, pins its versions, and is refused what is too early', async (t) => {
  const { natsServer, redisThere, redisHere, seed, login } = await startServers(t)
  const [oursKey, theirsKey] = [newKey(), newKey()]
  const objections: string[] = []
  const observe = (event: HostEvent) => {
    if (event.type === 'warning') objections.push(`${event.message} ${String(event.error)}`)
  }
  const warehouse = await start(t, {
    system: 'warehouse',
    hostId: 'w1',
    transport: nats({ servers: natsServer.url, user: 'warehouse', pass: 'of-warehouse', inboxPrefix: '_INBOX.w' }),
    udb: redis(redisThere.url),
    trust: [theirsKey.publicKey],
    upgrader: signer(theirsKey.seed),
    observe,
  })
  await warehouse.node(StockV1, 'stock')
  const authenticator = nkeyAuthenticator(login.getSeed())
  const options = {
    system: 'shop',
    transport: nats({ servers: natsServer.url, authenticator, inboxPrefix: '_INBOX.shop' }),
    udb: redis(redisHere.url),
    trust: [oursKey.publicKey],
    upgrader: signer(oursKey.seed),
    neighbours: {
      warehouse: {
        udb: redis({ host: '127.0.0.1', port: redisThere.port, username: 'theseus-shop', password: 'of-shop' }),
        trust: [theirsKey.publicKey],
      },
    },
    observe,
  } satisfies HostOptions
  const shop = await start(t, { ...options, hostId: 's1' }, { deathRound: '200ms' })
  const state = memoryStore()
  const floor = await startHost(t, { ...options, hostId: 's2', state })
  const till = await floor.node(TillV1, 'till')
  const sell = () => codeOf(shop.ref(TillV1, 'till').sell())
  t.is(await sell(), 'answered "19 left"')
  t.is(await shop.ref(StockV1.of('warehouse'), 'stock').left(), 19)

  // Classes of neighbours are of a runtime interface that release 0.1.0 does not have.
  await shop.operator.raiseLevel()
  const upgrade = await build('shop-1-orders.js')
  t.is(await codeOf(shop.publish(upgrade)), 'upgrade.neighbour')
  await warehouse.publish(await build('warehouse-1-orders.js'))
  await shop.publish(upgrade)
  await till.reached(2)
  t.is(await sell(), 'answered "order till-2, 18 left"')
  const pin = async () => (await warehouse.operator.database.nodes('client')).find(({ nodeId }) => nodeId === 'neighbour-shop')
  await until(async () => (await pin())?.version === 0 && (await pin())?.alive === true, 'the pin is there')
  t.deepEqual(objections, [])

  // The shop may do no more.
  const connection = await connect({ servers: natsServer.url, authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)) })
  const refused: string[] = []
  void (async () => {
    for await (const { data } of connection.status()) refused.push(String(data))
  })()
  for (const subject of ['install', 'teach', 'upgrades']) connection.publish(`theseus.warehouse.${subject}`)
  await connection.flush()
  await until(() => refused.filter((text) => /permission/i.test(text)).length === 3, 'NATS has refused each of them')
  await connection.close()
  const client = new Redis({ port: redisThere.port, username: 'theseus-shop', password: 'of-shop' })
  t.teardown(() => client.disconnect())
  for (const key of ['head', 'manifests', 'dead', 'controls'])
    await t.throwsAsync(client.hset(`theseus:{warehouse}:${key}`, 'version', '9'), { message: /NOPERM/ }, key)
  t.is((await warehouse.operator.database.head()).version, 1)

  client.disconnect()

  // It starts again while the warehouse's database is away.
  await floor.stop()
  redisThere.kill()
  const again = await startHost(t, { ...options, hostId: 's2', state })
  await again.node(TillV1, 'till')
  t.is(await sell(), 'answered "order till-3, 17 left"')
  await redisThere.restart()
})
