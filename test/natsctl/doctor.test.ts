import test, { type ExecutionContext } from 'ava'
import { createHost, type NodeRow } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import type { NatsProbe } from 'theseus-actors/nats'
import { nobodysMark, type TrustMark, type Trusts, trustMark } from '../../core/trust/trustMark.js'
import { checksOf, doctorExitCode } from '../../natsctl/doctor/doctorChecks.js'
import type { DatabaseFacts, DoctorFacts } from '../../natsctl/doctor/doctorFacts.js'
import { releasesCheck } from '../../natsctl/doctor/doctorReleases.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { systemClock } from '../../transports/systemClock.js'
import { statusOf } from '../contracts/databaseContract.js'
import { until } from '../support/eventually.js'
import { alice } from '../support/signedManifests.js'
import { natsctl, newDirectory } from './natsctlProcess.js'
import { type SystemOfTest, startServer, systemWithServers } from './natsctlSystem.js'

// The doctor's words about what was found

const now = Date.parse('2026-03-01T00:00:00Z')

function row(nodeId: string, about: Partial<NodeRow> = {}): NodeRow {
  return { ...statusOf(nodeId, { hostId: 'h1', version: 1, since: now - 60_000 }), alive: true, ...about }
}

const probe = {
  ...{ version: '7.2.0', roundTripMs: 0.5, isEncrypted: true, keepsAppendOnlyFile: true, maxmemoryPolicy: 'noeviction' },
  ...{ replicas: 2, waitReplicas: 1 },
}
const database: DatabaseFacts = {
  ...{ version: 1, digest: 'd', final: 0, controls: [], forks: [] },
  rows: [row('p1'), row('p2')],
  newest: { createdAt: '2026-02-28T00:00:00Z' } as DatabaseFacts['newest'],
}
const well: DoctorFacts = {
  ...{ system: 'shop', now, natsAddress: 'tls://nats:4222', redisAddress: 'rediss://redis:6379' },
  nats: {
    value: {
      server: 'nats:4222',
      version: '2.10.0',
      roundTripMs: 0.4,
      isEncrypted: true,
      hosts: [{ hostId: 'h1', software: '0.1.0', refused: [] }],
    },
  },
  redis: { value: { ...probe, maxmemoryBytes: 0, clock: null, refused: [] } },
  database: { value: database },
  server: { value: { version: 1, digest: 'd', servers: 2 } },
  install: { value: undefined },
  calls: { code: 'unavailable.no-responders', message: 'nobody' },
  ...{ objections: [], hosts: ['h1'], skews: [{ of: 'host h1', min: -5, max: 5 }] },
}

function withDatabase(about: Partial<DatabaseFacts>): DoctorFacts {
  return { ...well, database: { value: { ...database, ...about } } }
}

function withRedis(about: object): DoctorFacts {
  return { ...well, redis: { value: { ...probe, maxmemoryBytes: 0, clock: null, refused: [], ...about } } }
}

const endsIn = (days: number) => ({ key: `A${days}`, until: new Date(now + days * 24 * 3_600_000).toISOString() })

/** The checks that are not well, and how the command ends. */
function told(facts: DoctorFacts): readonly [number, ...string[]] {
  const checks = checksOf(facts)
  const lines = checks
    .filter(({ status }) => status !== 'ok')
    .map(({ check, status, found, advice }) => `${check} ${status}: ${found} → ${advice}`)
  return [doctorExitCode(checks), ...lines]
}

test('while a new release rolls through the system, the hosts of each release are named, and nothing is in trouble', (t) => {
  const software = { release: '0.2.0', reads: {}, since: 0 }
  const rows = [row('p1', { software }), row('p2', { software }), row('p3', { hostId: 'h2' }), row('p4', { hostId: 'h3' })]
  t.deepEqual(releasesCheck(rows), [
    {
      ...{ check: 'releases', status: 'warning', found: '0.1.0: h2, h3; 0.2.0: h1', nodes: [] },
      advice: 'roll on, or back, as you like: "natsctl system level" shows who has to be newer before the level is raised',
    },
  ])
  t.deepEqual(releasesCheck(rows.slice(0, 2)), [])
  t.deepEqual(releasesCheck([]), [])
  const [code, ...lines] = told({ ...withDatabase({ rows }), hosts: ['h1', 'h2', 'h3'] })
  t.is(code, 0)
  t.true(lines.some((line) => line.startsWith('releases warning: 0.1.0: h2, h3; 0.2.0: h1')))
})

test('where all is well every check says so', (t) => {
  t.deepEqual(told(well), [0])
  t.deepEqual(
    checksOf(well).map(({ check }) => check),
    [
      ...[
        'NATS',
        'Redis',
        'Redis keeps',
        'Redis replicas',
        'Redis permissions',
        'NATS permissions',
        'upgrade server',
        'history',
        'signatures',
        'clocks',
      ],
      ...['Theseus', 'nodes', 'trouble', 'versions'],
    ],
  )
})

const listed = trustMark([alice.publicKey])

function withTrust(trust: TrustMark | null | undefined, ...hosts: readonly (Trusts | undefined)[]): DoctorFacts {
  const nats = well.nats as { readonly value: NatsProbe }
  const tell = hosts.map((each, i) => ({ hostId: `h${i + 1}`, software: '0.1.0', refused: [], ...(each && { trust: each }) }))
  return {
    ...well,
    nats: { value: { ...nats.value, hosts: tell } },
    server: { value: { version: 1, digest: 'd', servers: 2, ...(trust === undefined ? {} : { trust }) } },
  }
}

const nobody = { mark: nobodysMark, isSaid: true }
const silent = { mark: nobodysMark, isSaid: false }
const trusting = { mark: listed, isSaid: true }

test('hosts and upgrade servers that trust the same are well, also those that say that it is nobody', (t) => {
  t.deepEqual(told(withTrust(listed, trusting, trusting)), [0])
  t.deepEqual(told(withTrust(nobodysMark, nobody)), [0])
  // Of release 0.1.0.
  t.deepEqual(told(withTrust(undefined, undefined)), [0])
  t.deepEqual(told(withTrust(null, trusting, undefined)), [0])
})

const cases: readonly (readonly [string, DoctorFacts, number, RegExp])[] = [
  [
    'a node on two hosts',
    { ...well, twins: [{ nodeId: 'p1', hosts: ['h1', 'h2'] }] },
    3,
    /^nodes warning: node p1 runs on hosts h1 and h2: each carries out its commands → stop all but one/,
  ],
  [
    'keys of which too few are left soon',
    withDatabase({ trusted: { identity: 'x', keys: [endsIn(5), endsIn(40), endsIn(-1)], need: { final: 2 } } }),
    0,
    /^keys warning: 2 keys of 3 may sign, 1 of them no more in 30 days; 2 have to → natsctl upgrader set, with later ends/,
  ],
  [
    'keys of which too few are left',
    withDatabase({ trusted: { identity: 'x', keys: [endsIn(-1), endsIn(-2)], need: {} } }),
    1,
    /^keys failure: 0 keys of 2 may sign, 0 of them no more in 30 days; 1 have to → nothing can be signed/,
  ],
  [
    'a host that was not told whom to trust',
    withTrust(nobodysMark, nobody, silent),
    0,
    /^trust warning: upgrades need no signature, and host h2 was not told so → give hosts .* "trust"/,
  ],
  [
    'a host that trusts nobody beside a server with a list',
    withTrust(listed, trusting, silent),
    1,
    /^trust failure: host h1, the upgrade server trust the list \w{8}; host h2 trusts nobody: .* → give all .* the same "trust"/,
  ],
  [
    'a server that trusts nobody beside hosts with a list',
    withTrust(nobodysMark, trusting),
    1,
    /^trust failure: host h1 trusts the list \w{8}; the upgrade server trusts nobody: .*; anybody who reaches the upgrade server can install what hosts reject/,
  ],
  [
    'a database that has lost something',
    withDatabase({ doubt: 'lost' }),
    0,
    /^upgrade database warning: on probation: Redis has lost/,
  ],
  [
    'a database that has restarted',
    withDatabase({ doubt: 'restarted' }),
    0,
    /^upgrade database warning: on probation: Redis has rest/,
  ],
  [
    'NATS that is not there',
    { ...well, nats: { code: 'x', message: "can't reach NATS" }, database: undefined },
    1,
    /^NATS failure: can't reach NATS → is it/,
  ],
  ['a connection over a network without TLS', withRedis({ isEncrypted: false }), 0, /^Redis warning: .* no TLS → .*security\.md/],
  ['a Redis that is too old', withRedis({ version: '6.0.16' }), 1, /^Redis failure: .* → use Redis 6\.2 or newer$/],
  [
    'a Redis that forgets',
    withRedis({ keepsAppendOnlyFile: false }),
    0,
    /^Redis keeps warning: appendonly no, .* → set appendonly yes/,
  ],
  [
    'a Redis that evicts',
    withRedis({ maxmemoryPolicy: 'allkeys-lru', maxmemoryBytes: 1 }),
    1,
    /^Redis keeps failure: .* → set maxmemory-policy noeviction/,
  ],
  [
    'a Redis whose replicas are away',
    withRedis({ replicas: 0 }),
    1,
    /^Redis replicas failure: 0 connected, 1 waited for → nothing is installed/,
  ],
  [
    'a Redis with replicas that nobody waits for',
    withRedis({ waitReplicas: 0 }),
    0,
    /^Redis replicas warning: 2 connected, 0 waited for → a fail-over may lose/,
  ],
  [
    'a Redis that does not tell of its replicas',
    withRedis({ replicas: null }),
    0,
    /^Redis replicas warning: the login may not ask/,
  ],
  ['a Redis that would evict', withRedis({ maxmemoryPolicy: 'allkeys-lru' }), 0, /^Redis keeps warning: /],
  [
    'a Redis without functions, which nobody has loaded',
    withRedis({ withoutFunctions: 'Redis does not have the functions theseus_1' }),
    1,
    /^Redis functions failure: Redis does not have the functions theseus_1 → start an upgrade server of this release; .*\+function\|load/,
  ],
  [
    'a login to Redis that may too little',
    withRedis({ refused: [{ what: 'forget nodes', why: 'NOPERM' }] }),
    1,
    /may not forget nodes: NOPERM → .*ACL/,
  ],
  [
    'a login to NATS that may too little',
    { ...well, objections: ['Publish to "x"'] },
    1,
    /^NATS permissions failure: Publish to "x" → /,
  ],
  [
    'what NATS objects to again',
    {
      ...well,
      objections: [
        '{"operation":"subscription","subject":"b"}',
        'NATS refuses to let this login listen on a, b: correct its permissions',
      ],
    },
    1,
    /^NATS permissions failure: the login may not subscribe to b; the login may not subscribe to a → /,
  ],
  [
    'orders that reach nobody',
    { ...well, install: { code: 'timeout.deadline', message: '' } },
    1,
    /^NATS permissions failure: orders and upgrades get no answer/,
  ],
  [
    'no upgrade server',
    { ...well, server: { code: 'unavailable.no-responders', message: 'none' } },
    6,
    /^upgrade server failure: .* → start one for system shop/,
  ],
  [
    'two histories',
    { ...well, server: { value: { version: 2, digest: 'e', servers: 1 } } },
    1,
    /^history failure: the upgrade server has version 2, the database 1 → do both/,
  ],
  ['a fork', withDatabase({ forks: ['1'] }), 1, /^history failure: version 1 has two manifests → natsctl history --verify/],
  [
    'a clock that is off',
    { ...well, skews: [{ of: 'host h1', min: 61_000, max: 62_000 }] },
    3,
    /^clocks warning: host h1 is 1m1s ahead → set the clocks by NTP/,
  ],
  [
    'the clock of a server that is off',
    { ...well, skews: [{ of: 'Redis', min: -9_000, max: -8_000 }] },
    0,
    /^clocks warning: Redis is 8s behind/,
  ],
  [
    'a node whose host is away',
    withDatabase({ rows: [row('p1'), row('p2', { alive: false })] }),
    3,
    /^nodes warning: 1 of 2 nodes not heard of: p2 → start host h1 again; natsctl node forget/,
  ],
  [
    'a host that does not answer over NATS',
    { ...well, hosts: [] },
    3,
    /^nodes warning: host h1 reach Redis and do not answer over NATS/,
  ],
  [
    'a node that is stalled',
    withDatabase({ rows: [row('p1', { phase: 'stalled', target: 2, reason: 'why' })] }),
    3,
    /^trouble warning: p1 is stalled for 1m0s: why → remove the cause, then natsctl rollout retry 2$/,
  ],
  [
    'a pause',
    withDatabase({
      rows: [row('p1', { version: 0 })],
      controls: [{ kind: 'pause', version: 1, reason: 'lunch', since: now - 5_000 }],
    }),
    0,
    /^versions warning: version 1 is paused for 5s: lunch → natsctl rollout resume 1$/,
  ],
  [
    'a version that could be final',
    { ...well, now: now + 9 * 86_400_000 },
    0,
    /^versions warning: .* not final: .* → natsctl version finalize 1$/,
  ],
]

for (const [title, facts, code, line] of cases) {
  test(`${title} is told with what to do`, (t) => {
    const [exitCode, ...lines] = told(facts)
    t.is(lines.length, 1, lines.join('\n'))
    t.regex(lines[0]!, line)
    t.is(exitCode, code)
  })
}

test('a system without nodes is not well: its name may be wrong, or Redis empty', (t) => {
  const failure = 'nodes failure: system shop has no registered nodes → start its hosts; is this its name, and this its Redis?'
  const pin = row('desk-v1', { service: 'client', directoryId: null })
  for (const rows of [[], [pin]]) t.deepEqual(told(withDatabase({ rows })), [1, failure])
  const versions = checksOf(withDatabase({ rows: [] })).find(({ check }) => check === 'versions')
  t.is(versions?.found, 'version 1 is the newest, and no node runs it')
})

test('a clock is off only if it must be: a slow answer proves nothing', (t) => {
  t.deepEqual(told({ ...well, skews: [{ of: 'host h1', min: -900, max: 4_000 }] }), [0])
})

test('hosts with another Theseus are told with their nodes', (t) => {
  const hosts = [
    { hostId: 'h1', software: '0.1.0', refused: [] },
    { hostId: 'h2', software: '0.2.0', refused: [] },
  ]
  const [check] = checksOf({
    ...well,
    nats: { value: { ...('value' in well.nats ? well.nats.value : undefined!), hosts } },
  }).filter(({ status }) => status !== 'ok')
  t.like(check, { check: 'Theseus', status: 'warning', found: '0.1.0 on h1; 0.2.0 on h2', nodes: ['p1', 'p2'] })
})

test('subjects that NATS refuses to hosts are told with their nodes', (t) => {
  const hosts = [
    { hostId: 'h1', software: '0.1.0', refused: ['theseus.shop.node.p1', 'theseus.shop.service.pages'] },
    { hostId: 'h2', software: '0.1.0', refused: [] },
  ]
  const facts = { ...well, nats: { value: { ...('value' in well.nats ? well.nats.value : undefined!), hosts } } }
  const [check, ...others] = checksOf(facts).filter(({ status }) => status !== 'ok')
  t.deepEqual(others, [])
  t.like(check, { check: 'hosts’ permissions', status: 'failure', nodes: ['p1', 'p2'] })
  t.is(check?.found, 'NATS does not let host h1 listen on theseus.shop.node.p1, theseus.shop.service.pages')
  t.is(doctorExitCode(checksOf(facts)), 1)
})

// Against real servers

interface System {
  readonly at: SystemOfTest
  check(...args: readonly string[]): Promise<{ readonly code: number | null; readonly document: any }>
}

async function start(t: ExecutionContext): Promise<System> {
  const at = await systemWithServers(t, 'shop', { redis: { appendonly: true } })
  const check = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await natsctl(t, ['doctor', '-o', 'json', ...args], { env: at.env })
    t.is(stderr, '')
    return { code, document: JSON.parse(stdout) }
  }
  return { at, check }
}

test('a real system is looked at without being changed: well, then with a node that is away, then without an upgrade server', async (t) => {
  const { at, check } = await start(t)
  const { env, system, ways } = at
  const trust = 'nobody'
  const servers = await Promise.all([startServer(t, at, { trust }), startServer(t, at, { trust })])
  const faults: unknown[] = []
  const host = await createHost({
    ...{ system, ...ways, trust },
    hostId: 'h1',
    state: memoryStore(),
    bundles: newDirectory(t),
    observe: (event) => event.type === 'warning' && faults.push(event),
  })
  t.teardown(() => host.stop())
  await host.node(PagesV1, 'p1')
  const first = await check()
  t.is(first.code, 0, JSON.stringify(first.document))
  t.like(first.document, { system: 'shop', status: 'ok' })
  const of = (name: string) => first.document.checks.find(({ check }: { check: string }) => check === name)
  t.regex(of('upgrade server').found, /^[12] answers?, newest version 0$/)
  t.regex(of('clocks').found, /^[34] clocks within 1 s/)
  t.regex(of('Theseus').found, /^\d+\.\d+\.\d+ on h1$/)
  t.deepEqual(of('nodes'), { check: 'nodes', status: 'ok', found: '1 node, all heard of', advice: null, nodes: [] })
  t.deepEqual(faults, [])

  const database = await ways.udb.open('shop', systemClock)
  t.teardown(() => database.close())
  t.deepEqual(
    (await database.nodes()).map(({ nodeId }: NodeRow) => nodeId),
    ['p1'],
  )
  await database.register(statusOf('p9', { hostId: 'h9' }), 1)
  await until(async () => (await database.nodes()).some(({ alive }: NodeRow) => !alive), 'the lease of p9 runs out')
  const table = await natsctl(t, ['doctor'], { env })
  t.is(table.code, 3, table.stdout)
  t.regex(table.stdout, /^CHECK +STATUS +FOUND +WHAT TO DO\nNATS +ok +nats-server /)
  t.regex(table.stdout, /^nodes +warning +1 of 2 nodes not heard of: p9 +start host h9 again; natsctl node forget/m)

  await Promise.all(servers.map((server) => server.stop()))
  const without = await check()
  t.is(without.code, 6)
  t.is(without.document.status, 'failed')
})

test('servers that are not there are told as checks, all of them', async (t) => {
  const { stdout, code } = await natsctl(t, [
    'doctor',
    '-o',
    'json',
    '--system',
    's',
    '--nats',
    'nats://127.0.0.1:1',
    '--redis',
    'redis://127.0.0.1:1',
  ])
  t.is(code, 1)
  t.deepEqual(
    JSON.parse(stdout).checks.map(({ check, status }: { check: string; status: string }) => `${check} ${status}`),
    ['NATS failure', 'Redis failure'],
  )
})
