/**
 * The schedule "after my servers upgrade" (§4) on running nodes: whose upgrade a node waits for is known from
 * its class, not from who has called.
 */
import test, { type ExecutionContext } from 'ava'
import {
  afterMyServers,
  allOf,
  defineUpgrade,
  draftManifest,
  eagerly,
  NodeObject,
  type NodeRow,
  notNeeded,
  query,
  type Schedule,
  schedule,
  upgradeClass,
} from '../../index.js'
import { until } from '../support/eventually.js'
import { gate, type TestHost, TestSystem } from '../support/testSystem.js'

function server(version: number) {
  class Server extends NodeObject {
    static override readonly className = `Server.v${version}`
    static override readonly calls = () => [{ className: 'Friend.v1' }]
    @query ask(): number {
      return version
    }
  }
  return Server
}
const [ServerV1, ServerV2] = [server(1), server(2)]

function caller(version: number) {
  class Caller extends NodeObject {
    static override readonly className = `Caller.v${version}`
    static override readonly calls = [ServerV1]
    @query go(id: string): Promise<number> {
      return this.ref(ServerV1, id).ask()
    }
  }
  return Caller
}
const [CallerV1, CallerV2] = [caller(1), caller(2)]

/** Calls servers, which call it. */
function friend(version: number) {
  class Friend extends NodeObject {
    static override readonly className = `Friend.v${version}`
    static override readonly calls = [ServerV1]
  }
  return Friend
}
const [FriendV1, FriendV2] = [friend(1), friend(2)]

const same = { futureSO: notNeeded, pastSO: notNeeded, transform: () => ({}) } as const
const clients = (its: Schedule) => upgradeClass({ oldClass: CallerV1, newClass: CallerV2, ...same, schedule: its })
const servers = (its: Schedule) => upgradeClass({ oldClass: ServerV1, newClass: ServerV2, ...same, schedule: its })
const friends = (its: Schedule) => upgradeClass({ oldClass: FriendV1, newClass: FriendV2, ...same, schedule: its })

async function open(t: ExecutionContext) {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const [a, b] = [await system.host('a'), await system.host('b')]
  const asked = await a.node(ServerV1, 's1')
  const asking = await b.node(CallerV1, 'c1')
  t.is(await system.desk.ref(CallerV1, 'c1').go('s1'), 1)
  return { system, a, b, asked, asking }
}

test('afterMyServers without a name: client and server in one upgrade, the client after a restart too', async (t) => {
  const { system, a, b, asked } = await open(t)
  const go = gate()
  // The server waits for its servers, of which its caller is none.
  const later = allOf(
    afterMyServers(),
    schedule('when told', () => go.opened),
  )
  await system.publish(defineUpgrade({ title: 'Both', classUpgrades: [clients(afterMyServers()), servers(later)] }))
  await a.untilPhase('s1', 'scheduled')
  await b.untilPhase('c1', 'scheduled')
  // Now it has heard of nobody.
  const again = await system.host('c', { state: b.kill() })
  const client = await again.node(CallerV1, 'c1')
  let isEarly = false
  again.running.observe((event) => {
    if (event.type === 'phase' && event.phase === 'draining' && asked.version === 0) isEarly = true
  })
  await again.untilPhase('c1', 'scheduled')
  let looks = 0
  const { database } = system.desk.running.operator
  again.changeDatabase({
    nodes: (service) => {
      looks++
      return database.nodes(service)
    },
  })
  await until(() => looks >= 2, 'it has looked twice')
  t.false(isEarly)
  t.is(client.version, 0)
  go.open()
  await Promise.all([asked.reached(1), client.reached(1)])
  t.false(isEarly)
})

/** To this host the upgrade database says for ever that the server is at version 0. */
function withOldRows({ desk }: TestSystem, host: TestHost): void {
  const { database } = desk.running.operator
  const old = (row: NodeRow) => (row.service === 'server' ? { ...row, version: 0, className: 'Server.v1' } : row)
  host.changeDatabase({ nodes: async (service) => (await database.nodes(service)).map(old) })
}

const onlyServers = defineUpgrade({ title: 'Servers first', classUpgrades: [servers(eagerly()), clients(afterMyServers())] })

test('a server that has answered at the version has upgraded, though its row is late: for the node that it answered', async (t) => {
  const { system, b, asked, asking } = await open(t)
  withOldRows(system, b)
  const other = await b.node(CallerV1, 'c2')
  await system.publish(onlyServers)
  await asked.reached(1)
  for (const id of ['c1', 'c2']) await b.untilPhase(id, 'scheduled')
  await system.clock.passes(5_000)
  t.deepEqual([asking.version, other.version], [0, 0])
  await system.desk.ref(CallerV1, 'c1', { version: 0 }).go('s1')
  await asking.reached(1)
  await system.clock.passes(5_000)
  t.is(other.version, 0)
  await system.desk.ref(CallerV1, 'c2', { version: 0 }).go('s1')
  await other.reached(1)
})

test('a node knows after a restart, by kill -9 too, which of its servers have answered at the version', async (t) => {
  const { system, b, asked } = await open(t)
  withOldRows(system, b)
  const go = gate()
  const later = allOf(
    afterMyServers(),
    schedule('when told', () => go.opened),
  )
  await system.publish(defineUpgrade({ title: 'Servers first', classUpgrades: [servers(eagerly()), clients(later)] }))
  await asked.reached(1)
  await b.untilPhase('c1', 'scheduled')
  await system.desk.ref(CallerV1, 'c1', { version: 0 }).go('s1')
  await system.clock.passes(6_000)
  const again = await system.host('c', { state: b.kill() })
  withOldRows(system, again)
  go.open()
  const client = await again.node(CallerV1, 'c1')
  await client.reached(1)
  t.is(client.version, 1)
})

test('services that would wait for each other without naming each other both upgrade', async (t) => {
  const { system, a, asked, asking } = await open(t)
  const other = await a.node(FriendV1, 'f1')
  await system.publish(
    defineUpgrade({
      title: 'All wait',
      classUpgrades: [friends(afterMyServers()), servers(afterMyServers()), clients(allOf(eagerly(), afterMyServers()))],
    }),
  )
  await Promise.all([asked.reached(1), other.reached(1), asking.reached(1)])
})

test('only those that wait for it in turn are left out of the servers of a class upgrade', (t) => {
  const serversIn = (...classUpgrades: Parameters<typeof defineUpgrade>[0]['classUpgrades']) =>
    Object.fromEntries(
      defineUpgrade({ title: 'x', classUpgrades }).classUpgrades.map((each) => [each.oldClass.className, each.servers]),
    )
  t.deepEqual(serversIn(friends(afterMyServers()), servers(eagerly())), { 'Friend.v1': ['server'], 'Server.v1': [] })
  t.deepEqual(serversIn(friends(afterMyServers()), servers(afterMyServers())), { 'Friend.v1': [], 'Server.v1': [] })
  // One that names the other goes second.
  t.deepEqual(serversIn(friends(afterMyServers()), servers(afterMyServers('friend'))), { 'Friend.v1': [], 'Server.v1': [] })
  // A client of services that wait for each other waits for them.
  t.deepEqual(serversIn(friends(afterMyServers()), servers(afterMyServers()), clients(afterMyServers()))['Caller.v1'], ['server'])
})

test('schedules that name each other are refused when the upgrade is built, through others too', (t) => {
  const draft = (...classUpgrades: Parameters<typeof defineUpgrade>[0]['classUpgrades']) =>
    draftManifest(defineUpgrade({ title: 'x', classUpgrades }), new Uint8Array())
  const message = /waits for services that wait for .*: no node of these would ever upgrade/
  t.throws(() => draft(servers(afterMyServers('friend')), friends(afterMyServers('server'))), { message })
  t.throws(() => draft(servers(afterMyServers('server'))), { message })
  t.throws(
    () => draft(servers(afterMyServers('friend')), friends(allOf(afterMyServers('caller'))), clients(afterMyServers('server'))),
    { message },
  )
  t.notThrows(() => draft(servers(eagerly()), friends(afterMyServers('server')), clients(afterMyServers('friend', 'server'))))
})
