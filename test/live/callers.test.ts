/** docs/security.md, "Callers with names", on a real server: client against client, host against host. */
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { Redis } from 'ioredis'
import { connect, type NatsConnection, nkeyAuthenticator } from 'nats'
import { createUser } from 'nkeys.js'
import {
  type CallerInfo,
  command,
  connectOperator,
  createHost,
  type HostEvent,
  NodeObject,
  query,
  startUpgradeServer,
} from 'theseus-actors'
import { memoryRepository, memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { decode, encodeCall, encodeReply } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { natsctl } from '../natsctl/natsctlProcess.js'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer, type TestServer } from '../support/servers.js'

const test = anyTest.serial as TestFn
const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8')
const block = /^```conf\n(.*?)^```$/ms.exec(page)![1]!

const names = ['pages1', 'pages2', 'web', 'batch', 'server', 'alice'] as const
type Name = (typeof names)[number]
const users = Object.fromEntries(names.map((name) => [name, createUser()])) as Record<Name, ReturnType<typeof createUser>>
const system = 'shop'

class PagesV1 extends NodeObject<{ pages: Record<string, string> }> {
  static override readonly className = 'Pages.v1'
  static override initial() {
    return { pages: Object.create(null) as Record<string, string> }
  }

  @query who(): CallerInfo {
    return this.caller
  }

  @command put(url: string, text: string): number {
    this.state.pages[url] = text
    return Object.keys(this.state.pages).length
  }

  @query get(url: string): string | null {
    return this.state.pages[url] ?? null
  }
}

let directory: string
let server: TestServer
let redisServer: TestServer

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'theseus-callers-'))
  for (const name of names)
    writeFileSync(join(directory, `${name}.nk`), new TextDecoder().decode(users[name].getSeed()), { mode: 0o600 })
  redisServer = await startRedisServer()
  server = await startNatsServer({
    args: ['-c', 'nats.conf'],
    files: { 'nats.conf': block },
    env: Object.fromEntries(names.map((name) => [`${name.toUpperCase()}_KEY`, users[name].getPublicKey()])),
  })
})

test.after.always(async () => {
  await server?.stop()
  await redisServer?.stop()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
})

interface Whole {
  readonly objections: readonly string[]
  host(name: Name): ReturnType<typeof createHost>
  operator(): ReturnType<typeof connectOperator>
}

/** The system of the page: its upgrade server, its two hosts with a node each. */
async function wholeSystem(t: ExecutionContext): Promise<Whole> {
  const { port } = redisServer
  const client = new Redis(port)
  await client.flushall()
  client.disconnect()
  const udb = redis(redisServer.url)
  const bundles = memoryRepository()
  const objections: string[] = []
  const observe = (event: HostEvent) => {
    if (event.type === 'warning' || event.type === 'deadLetter')
      objections.push(JSON.stringify(event) + String((event as { error?: unknown }).error))
  }
  const waysOf = (name: Name) => ({
    trust: 'nobody' as const,
    ...{ system, as: name, udb, observe },
    transport: nats({ servers: server.url, nkey: join(directory, `${name}.nk`) }),
  })
  const upgrades = await startUpgradeServer(waysOf('server'))
  t.teardown(() => upgrades.stop())
  const host = async (name: Name) => {
    const running = await createHost({ ...waysOf(name), hostId: name, state: memoryStore(), bundles, discovery: false })
    t.teardown(() => running.stop())
    return running
  }
  await (await host('pages1')).node(PagesV1, 'p1')
  await (await host('pages2')).node(PagesV1, 'p2')
  const operator = async () => {
    const alice = await connectOperator(waysOf('alice'))
    t.teardown(() => alice.close())
    return alice
  }
  return { objections, host, operator }
}

/** A connection with that login, in the hands of an attacker. */
async function attacker(t: ExecutionContext, name: Name): Promise<NatsConnection & { readonly refused: readonly string[] }> {
  const connection = await connect({ servers: server.url, authenticator: nkeyAuthenticator(users[name].getSeed()) })
  t.teardown(() => connection.close())
  const refused: string[] = []
  void (async () => {
    for await (const { permissionContext } of connection.status() as AsyncIterable<{ permissionContext?: { subject: string } }>)
      if (permissionContext !== undefined) refused.push(permissionContext.subject)
  })()
  return Object.assign(connection, { refused })
}

function call(method: string, args: readonly unknown[], caller: string) {
  return encodeCall({
    ...{ kind: kinds.call, label: 0, seq: 1, method, args, deadlineMs: 5_000, caller, incarnation: 1 },
    ...{ callerClass: 'Client', callerVersion: 0, expects: null, path: null, trace: null, together: true },
  })
}

test('a method sees under which name it is called; the parts of the system need no more than the page gives them', async (t) => {
  const { objections, host, operator } = await wholeSystem(t)
  const web = await host('web')
  const alice = await operator()
  t.like(await web.ref(PagesV1, 'p1', { version: 0 }).who(), { name: 'web', node: 'web' })
  t.like(await web.ref(PagesV1, undefined, { version: 0 }).who(), { name: 'web' })
  t.like((await alice.call({ node: 'p2' }, 'who', [], { version: 0 })) as CallerInfo, { name: 'alice' })
  t.is(await web.ref(PagesV1, 'p2').put('/a', 'A'), 1, 'it asks the upgrade server for the version')
  const seen = new Set<string>()
  t.teardown(
    alice.look(({ seen: told }) => {
      for (const each of told) if ('nodeId' in each) seen.add(each.nodeId)
    }),
  )
  await until(() => seen.has('p1') && seen.has('p2'), 'an operator looks')
  t.deepEqual(
    objections.filter((each) => !each.includes('theseus.shop.look')),
    [],
  )
})

test('nobody can call under another’s name, nor without one, whatever the envelope says', async (t) => {
  const { host } = await wholeSystem(t)
  const batch = await attacker(t, 'batch')
  const answers: unknown[] = []
  batch.subscribe('_INBOX.batch.>', { callback: (_, { data }) => void answers.push(...decode(data)) })
  for (const subject of [
    'theseus.shop.node.p1',
    'theseus.shop.node.p1.web',
    'theseus.shop.node.p1.alice',
    'theseus.shop.service.pages.web',
  ])
    batch.publish(subject, call('put', ['/a', 'forged'], 'web'), { reply: '_INBOX.batch.1' })
  batch.publish('theseus.shop.node.p1.batch', call('who', [], 'web'), { reply: '_INBOX.batch.2' })
  await until(() => answers.length === 1, 'what it may do is answered')
  t.like(answers, [{ value: { name: 'batch', node: 'web' } }])
  t.is(batch.refused.length, 4)
  t.is(await (await host('web')).ref(PagesV1, 'p1', { version: 0 }).get('/a'), null)
})

test('no client hears what another is answered, and none can have a node write to another', async (t) => {
  const { host } = await wholeSystem(t)
  const batch = await attacker(t, 'batch')
  const heard: string[] = []
  for (const subject of ['_INBOX.web.>', '_INBOX.>', '_INBOX.*.*.*', 'theseus.shop.node.p1.*', '>'])
    batch.subscribe(subject, { callback: (error, message) => void (error === null && heard.push(message.subject)) })
  await batch.flush()
  const web = await host('web')
  const told: HostEvent[] = []
  web.observe((event) => void told.push(event))
  // The answer would come from a node: it may answer whoever has asked it.
  const inbox = '_INBOX.web.0000000000000000000000.1'
  for (let i = 0; i < 20; i++) batch.publish('theseus.shop.node.p1.batch', call('put', ['/x', 'x'], 'batch'), { reply: inbox })
  batch.publish('_INBOX.web.1', encodeReply(0, 1, 'forged', { node: 'p1', className: 'Pages.v1', version: 0 }, 0))
  await batch.flush()
  for (let i = 0; i < 20; i++) t.is(await web.ref(PagesV1, 'p1', { version: 0 }).get('/x'), null)
  t.deepEqual(heard, [])
  t.deepEqual(
    told.filter(({ type }) => type === 'deadLetter'),
    [],
    'web has got nothing that it did not ask for',
  )
  t.true(batch.refused.includes('_INBOX.web.1'))
})

test('no host takes another’s place, nor speaks to it as the upgrade server', async (t) => {
  const { host } = await wholeSystem(t)
  const pages2 = await attacker(t, 'pages2')
  const heard: string[] = []
  for (const subject of [
    'theseus.shop.node.p1.*',
    '_INBOX.pages1.>',
    '_INBOX.server.>',
    'theseus.shop.server.*',
    'theseus.shop.install.*',
  ])
    pages2.subscribe(subject, { callback: (error, message) => void (error === null && heard.push(message.subject)) })
  for (const subject of [
    '_INBOX.pages1.x.1',
    'theseus.shop.upgrades.server',
    'theseus.shop.upgrades.pages2',
    'theseus.shop.install.pages2',
  ])
    pages2.publish(subject, call('head', [], 'server'))
  await pages2.flush()
  const web = await host('web')
  t.is(await web.ref(PagesV1, 'p1').put('/a', 'A'), 1)
  t.deepEqual(heard, [])
  t.is(pages2.refused.length, 9)
})

test('natsctl calls under the name that it is given, by a flag, the environment or a context', async (t) => {
  await wholeSystem(t)
  const env = {
    NATS_URL: server.url,
    NATS_NKEY: join(directory, 'alice.nk'),
    THESEUS_REDIS: redisServer.url,
    THESEUS_SYSTEM: system,
  }
  const byFlag = await natsctl(
    t,
    ['call', 'p1', 'who', '--node', '--query', '--at-version', '0', '--as', 'alice', '-o', 'json'],
    { env },
  )
  t.regex(byFlag.stdout, /"name": ?"alice"/, byFlag.stderr)
  const byEnvironment = await natsctl(t, ['call', 'p2', 'who', '--node', '--query', '--at-version', '0'], {
    env: { ...env, THESEUS_AS: 'alice' },
  })
  t.regex(byEnvironment.stdout, /alice/, byEnvironment.stderr)
  const doctor = await natsctl(t, ['doctor', '-o', 'json'], { env: { ...env, THESEUS_AS: 'alice' } })
  const { checks } = JSON.parse(doctor.stdout) as { checks: { check: string; found: string }[] }
  t.is(checks.find(({ check }) => check === 'NATS permissions')?.found, 'asks, orders, calls, looks')
  const unnamed = await natsctl(t, ['call', 'p1', 'who', '--node', '--query', '--at-version', '0', '--deadline', '1s'], { env })
  t.not(unnamed.code, 0)
})
