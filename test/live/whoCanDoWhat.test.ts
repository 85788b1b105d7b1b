/**
 * The table "Who can do what" of docs/security.md, played with real servers: each cell that says "no" is
 * tried with the login of its row, and a cell for which there is no play is a fault of the page.
 */
import 'reflect-metadata'
import { readFileSync } from 'node:fs'
import { createConnection } from 'node:net'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { Redis } from 'ioredis'
import { connect, nkeyAuthenticator } from 'nats'
import { createUser } from 'nkeys.js'
import { readVerified } from '../../actors/history/upgradeHistory.js'
import { Fault } from '../../core/base/fault.js'
import { encodeDirective } from '../../core/control/directive.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { keys } from '../../core/model/nodeRecord.js'
import { signed } from '../../core/trust/signed.js'
import { pack } from '../../core/wire/codec.js'
import { newKey } from '../../transports/nkeys/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { functionName } from '../../transports/redis/redisFunctions.js'
import { keysOf } from '../../transports/redis/redisKeys.js'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer, type TestServer } from '../support/servers.js'
import { alice, mallory, signedAfter, system } from '../support/signedManifests.js'

const test = anyTest.serial as TestFn
const page = readFileSync(new URL('../../../docs/security.md', import.meta.url), 'utf8')

function block(language: string): string {
  return new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(page)![1]!
}

/** The cells of the table by row and column. */
function tableOf(text: string): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const section = /^## Who can do what\n(.*?)^## /ms.exec(text)![1]!
  const lines = section.split('\n').filter((line) => line.startsWith('|'))
  const cells = (line: string) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim())
  const [, ...columns] = cells(lines[0]!)
  return new Map(
    lines.slice(2).map((line) => {
      const [row, ...rest] = cells(line)
      return [row!, new Map(columns.map((column, i) => [column, rest[i] ?? '']))] as const
    }),
  )
}

const table = tableOf(page)

const users = new Map<string, ReturnType<typeof createUser>>()
function userOf(variable: string): ReturnType<typeof createUser> {
  const known = users.get(variable) ?? createUser()
  users.set(variable, known)
  return known
}

let unnamed: TestServer
let named: TestServer
let database: TestServer

test.before(async () => {
  const serverOf = (config: string) => {
    const variables = [...config.matchAll(/nkey: \$(\w+)/g)].map((match) => match[1]!)
    const env = Object.fromEntries(variables.map((variable) => [variable, userOf(variable).getPublicKey()]))
    return startNatsServer({ args: ['-c', 'nats.conf'], files: { 'nats.conf': config }, env })
  }
  // Permissions are the same without TLS.
  unnamed = await serverOf(block('nats').replace(/^tls \{.*?^\}\n/ms, ''))
  named = await serverOf(block('conf'))
  const acl = block('acl').replaceAll(/>[A-Z-]+-PASSWORD /g, '>secret ')
  database = await startRedisServer({
    args: ['--aclfile', 'users.acl'],
    files: { 'users.acl': acl },
    login: { username: 'theseus-operator', password: 'secret' },
  })
})

test.after.always(async () => {
  for (const server of [unnamed, named, database]) await server?.stop()
})

// --- What is tried

type Column = 'call' | 'call as another' | 'others’ answers' | 'order' | 'install' | 'read state'
type Play = (t: ExecutionContext) => Promise<void>

interface Attempts {
  readonly publish?: readonly string[]
  readonly subscribe?: readonly string[]
}

/** Each is refused by nats-server. */
async function refusedByNats(t: ExecutionContext, server: TestServer, variable: string, tried: Attempts): Promise<void> {
  const connection = await connect({ servers: server.url, authenticator: nkeyAuthenticator(userOf(variable).getSeed()) })
  t.teardown(() => connection.close())
  const refused: string[] = []
  void (async () => {
    for await (const { permissionContext } of connection.status() as AsyncIterable<{ permissionContext?: { subject: string } }>)
      if (permissionContext !== undefined) refused.push(permissionContext.subject)
  })()
  const { publish = [], subscribe = [] } = tried
  for (const subject of publish) connection.publish(subject)
  for (const subject of subscribe) connection.subscribe(subject, { callback: () => {} })
  // The server objects in order: to this one always, and then it has objected to all before.
  connection.publish('the.last')
  await until(() => refused.includes('the.last'), 'nats-server has objected')
  t.deepEqual(refused.slice(0, -1).toSorted(), [...publish, ...subscribe].toSorted())
}

const at = (...rest: readonly string[]) => ['theseus', system, ...rest].join('.')

/** Of a login to NATS, and of its name if it has one. */
function natsPlays(server: () => TestServer, variable: string, name?: string): Partial<Record<Column, Play>> {
  const own = name === undefined ? [] : [name]
  const others = ['alice', 'web', 'batch', 'pages1', 'server'].filter((other) => other !== name)
  const plays: Record<Column, Attempts> = {
    call: { publish: [at('node', 'p1', ...own), at('service', 'pages', ...own), at('event', 'page-changed', ...own)] },
    'call as another': {
      publish: [at('node', 'p1'), ...others.flatMap((other) => [at('node', 'p1', other), at('service', 'pages', other)])],
    },
    'others’ answers': {
      subscribe: ['>', '_INBOX.>', ...others.flatMap((other) => [`_INBOX.${other}.>`, `_INBOX.${other}.*.*`])],
    },
    order: { publish: [at('install'), at('install', ...own, 'x'), at('install', 'alice')] },
    install: { publish: [at('install'), at('install', 'alice'), at('upgrades', 'alice')], subscribe: [at('install', '>')] },
    'read state': { subscribe: [at('node', '>'), at('service', '>'), '>'] },
  }
  return Object.fromEntries(
    Object.entries(plays).map(([column, tried]) => [
      column,
      (t: ExecutionContext) => refusedByNats(t, server(), variable, tried),
    ]),
  )
}

const key = (name: string) => `theseus:{${system}}:${name}`

/** Each is refused by Redis. */
function redisPlays(role: string): Partial<Record<Column, Play>> {
  /** That of an operator only reads. */
  const nodes: readonly (readonly [string, ...string[]])[] =
    role === 'operator'
      ? [
          ['HDEL', key('registrations'), 'p1'],
          ['HSET', key('rows'), 'p1', '{}'],
          ['ZREM', key('slots'), 'pages/p1'],
          ['FCALL', functionName('theseusForget'), '6', ...keysOf(system).nodes, 'p1', 'x'],
        ]
      : []
  const tried =
    (...commands: readonly (readonly [string, ...string[]])[]): Play =>
    async (t) => {
      const options = { username: `theseus-${role}`, password: 'secret', maxRetriesPerRequest: 0 }
      const client = new Redis(database.port, '127.0.0.1', options)
      t.teardown(() => client.disconnect())
      t.is(await client.ping(), 'PONG')
      for (const [command, ...args] of commands)
        await t.throwsAsync(client.call(command, ...args), { message: /^NOPERM/ }, `${role}: ${command} ${args.join(' ')}`)
    }
  const { head, manifests, signatures, tables, final, bundle } = keysOf(system)
  const places = [head, manifests, signatures, tables, final, bundle('d')]
  const messages = tried(['PUBLISH', 'a', 'b'], ['SUBSCRIBE', 'a'], ['MONITOR'])
  return {
    call: messages,
    'call as another': messages,
    'others’ answers': messages,
    order: tried(
      ['HSET', key('controls'), 'pause/1', '{}'],
      ['HDEL', key('controls'), 'pause/1'],
      ['HSET', key('table:authorized'), 'p1', 'yes'],
      ['SET', key('final'), '9'],
      ['HSET', key('dead'), 'below', '9'],
      ['RPUSH', key('directives'), 'forged'],
      ['RPUSH', key('audit'), 'forged'],
      ['LTRIM', key('audit'), '1', '0'],
      ['HSET', key('auditHead'), 'hash', 'forged'],
      ...nodes,
    ),
    install: tried(
      ['HSET', key('manifests'), '1', 'forged'],
      ['HSET', key('signatures'), '1', 'forged'],
      ['HSET', key('head'), 'version', '9'],
      ['HSET', key('bundle:00'), '0', 'forged'],
      ['FCALL', functionName('theseusInstall'), '6', ...places, '0', '', '1', 'd', 'm', '', ''],
    ),
    'read state': tried(
      ['KEYS', '*'],
      ['SCAN', '0'],
      ['DUMP', key('rows')],
      ['GET', 'state'],
      ['HGETALL', 'theseus:{bakery}:rows'],
    ),
  }
}

const historyOfAlice = () => new VerifiedHistory(system, [alice.publicKey], nkeySignatures)

/**
 * The nodes' check of a forged manifest, wherever it comes from: the upgrade database, the upgrade server,
 * another host or the disk.
 */
const nodesRefuse: Play = async (t) => {
  for (const forged of [signedAfter(undefined, mallory), { ...signedAfter(undefined, alice), signature: null }])
    t.throws(() => historyOfAlice().check(forged), { instanceOf: Fault, code: 'upgrade.signature' })
}

const serverRefuses: Play = async (t) => {
  const directive = {
    ...{ format: 1, system, number: 1, upgrader: mallory.publicKey, createdAt: '2026-01-01T00:00:00.000Z' },
    ...{ reason: null, what: { order: 'finalize', version: 1 } },
  }
  const bytes = encodeDirective(directive as never)
  const document = signed('directive', bytes, mallory)
  t.throws(() => historyOfAlice().checkDirective(directive as never, document, 0), { code: 'upgrade.signature' })
}

/** An attacker that has nothing that opens a connection gets no further. */
function staysOutside(seed?: () => Uint8Array): Play {
  return async (t) => {
    for (const server of [unnamed, named]) {
      const login = seed === undefined ? {} : { authenticator: nkeyAuthenticator(seed()) }
      await t.throwsAsync(connect({ servers: server.url, ...login, maxReconnectAttempts: 0, reconnect: false }))
    }
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = createConnection(database.port, '127.0.0.1', () => socket.write('KEYS *\r\n'))
      socket.once('error', reject).once('data', (data) => {
        socket.destroy()
        resolve(data.toString())
      })
    })
    t.regex(answer, /^-NOAUTH/)
  }
}

const columns = ['call', 'call as another', 'others’ answers', 'order', 'install', 'read state'] as const
const everything = (play: Play) => Object.fromEntries(columns.map((column) => [column, play]))

const plays: Readonly<Record<string, Partial<Record<Column, Play>>>> = {
  'a client’s login': natsPlays(() => unnamed, 'CLIENT_KEY'),
  'a client’s, with a name': natsPlays(() => named, 'BATCH_KEY', 'batch'),
  'a host’s login': natsPlays(() => unnamed, 'HOST_KEY'),
  'a host’s, with a name': natsPlays(() => named, 'PAGES2_KEY', 'pages2'),
  'an upgrade server’s login': natsPlays(() => named, 'SERVER_KEY', 'server'),
  'an operator’s login': natsPlays(() => unnamed, 'OPERATOR_KEY'),
  'an operator’s, with a name': natsPlays(() => named, 'ALICE_KEY', 'alice'),
  'Redis: a client’s': redisPlays('client'),
  'Redis: a host’s': redisPlays('host'),
  'Redis: an operator’s': redisPlays('operator'),
  'Redis: an upgrade server’s': { ...redisPlays('upgrade-server'), install: nodesRefuse },
  'an upgrader’s key alone': everything(staysOutside(() => new TextEncoder().encode(newKey().seed))),
  'the network alone': everything(staysOutside()),
  'the disk of a host': {
    order: serverRefuses,
    install: async (t) => {
      const { bytes, signature } = signedAfter(undefined, mallory)
      const row = pack([bytes, signature])
      const store = { get: () => undefined, range: () => [[keys.manifest(1), row]] }
      t.throws(() => readVerified(store as never, historyOfAlice()), { code: 'upgrade.signature' })
    },
  },
}

for (const [row, cells] of table)
  test(`who can do what: ${row}`, async (t) => {
    for (const [column, cell] of cells) {
      if (cell !== 'no') continue
      const play = plays[row]?.[column as Column]
      t.truthy(play, `${row}, ${column}: nobody tries it`)
      await play?.(t)
    }
    t.true(Object.keys(plays).includes(row))
  })

test('the table is whole: each row, each column, one word or a link that leads somewhere', (t) => {
  t.deepEqual([...table.keys()].toSorted(), Object.keys(plays).toSorted())
  const headings = [...page.matchAll(/^#+ (.*)$/gm)].map((match) => `#${match[1]!.toLowerCase().replaceAll(' ', '-')}`)
  for (const [row, cells] of table) {
    t.deepEqual([...cells.keys()].toSorted(), [...columns, 'stop it'].toSorted())
    for (const [column, cell] of cells) {
      const [, word = cell, link] = /^\[(.*)\]\((.*)\)$/.exec(cell) ?? []
      t.regex(word, /^[\p{L}’]+$/u, `${row}, ${column}`)
      if (link !== undefined) t.true(headings.includes(link), `${row}, ${column}: ${link}`)
    }
  }
})
