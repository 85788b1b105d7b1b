/**
 * Callers of another account of NATS: it puts their name into the subject itself, as docs/security.md has it,
 * so they can choose none.
 */
import 'reflect-metadata'
import test from 'ava'
import { createHost, isFault, startUpgradeServer } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'

/** @param node what else the account says of its nodes' subjects */
const accounts = (node: string) => `
accounts {
  SHOP: {
    users: [{ user: shop, password: x }]
    exports: [
      { service: "theseus.shop.node.*.*", response_type: Stream${node} }
      { service: "theseus.shop.server.*", response_type: Stream }
      { stream: "theseus.shop.upgrades.*" }
    ]
  }
  web: {
    users: [{ user: web, password: x }]
    imports: [
      { service: { account: SHOP, subject: "theseus.shop.node.*.web" }, to: "theseus.shop.node.$1" }
      { service: { account: SHOP, subject: "theseus.shop.server.web" }, to: "theseus.shop.server" }
      { stream: { account: SHOP, subject: "theseus.shop.upgrades.server" }, to: "theseus.shop.upgrades" }
    ]
  }
}
`

for (const [how, node] of [
  ['maps the subjects of another account’s clients to subjects that end with its name', ''],
  ['exports its subjects with account_token_position', ', account_token_position: 5'],
] as const) {
  test(`an account that ${how}: a caller there has that name, is answered, and has no other`, async (t) => {
    const natsServer = await startNatsServer({ args: ['-c', 'nats.conf'], files: { 'nats.conf': accounts(node) } })
    t.teardown(() => natsServer.stop())
    const redisServer = await startRedisServer({})
    t.teardown(() => redisServer.stop())
    const ways = (user: string) => ({
      system: 'shop',
      trust: 'nobody' as const,
      transport: nats({ servers: natsServer.url, user, pass: 'x' }),
      udb: redis(redisServer.url),
    })
    const server = await startUpgradeServer({ ...ways('shop'), as: 'server' })
    t.teardown(() => server.stop())
    const names: (string | null)[] = []
    const host = await createHost({
      ...ways('shop'),
      as: 'pages1',
      state: memoryStore(),
      filter: ({ caller }) => {
        names.push(caller.name)
        return true
      },
    })
    t.teardown(() => host.stop())
    await host.node(PagesV1, 'p1')

    const web = await createHost({ ...ways('web'), callers: 'either', state: memoryStore(), discovery: false })
    t.teardown(() => web.stop())
    const pages = web.ref(PagesV1, 'p1', { version: 0 })
    await pages.put('/home', 'of web')
    t.is(await pages.get('/home'), 'of web')
    t.deepEqual(names, ['web', 'web'])

    const alice = await createHost({ ...ways('web'), as: 'alice', state: memoryStore(), discovery: false })
    t.teardown(() => alice.stop())
    const refused = await t.throwsAsync(alice.ref(PagesV1, 'p1', { version: 0, deadline: '1s' }).put('/home', 'of alice'))
    t.true(isFault(refused) && refused.code === 'unavailable.no-responders', String(refused))
    t.is(await pages.get('/home'), 'of web')
  })
}
