/** Orders and installed versions wait for replicas: that follow, that are away, and without the right to. */
import test, { type ExecutionContext } from 'ava'
import type { Order } from '../../core/control/directive.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { redis } from '../../transports/redis/index.js'
import { type ReplicaLink, ReplicaWait } from '../../transports/redis/replicaWait.js'
import { systemClock } from '../../transports/systemClock.js'
import { until } from '../support/eventually.js'
import { asked, startReplica } from '../support/redisFleets.js'
import { refusalOf } from '../support/rejections.js'
import { startRedisServer, type TestServer } from '../support/servers.js'
import { directiveOf, manifestOf, newSystem, nothingInstalled } from './databaseContract.js'

const pause: Order = { order: 'set', control: { kind: 'pause', version: 1, reason: '', since: 1 } }
const order = (number: number) => ({ directive: directiveOf(number, pause), signed: manifestOf(`order ${number}`).manifest })

async function follows({ port }: TestServer, count: number): Promise<void> {
  await asked(port, (client) =>
    until(async () => (await client.info('replication')).split('state=online').length - 1 === count, `${count} replicas follow`),
  )
}

/** A primary, a replica, and a database that waits for one. */
async function withReplica(t: ExecutionContext, login = '') {
  const primary = await startRedisServer()
  const replica = await startReplica(primary)
  t.teardown(() => Promise.all([primary.stop(), replica.stop()]))
  await follows(primary, 1)
  const told: string[] = []
  const open = async (system = newSystem()): Promise<UpgradeDatabase> => {
    const url = `redis://${login}127.0.0.1:${primary.port}?waitReplicas=1`
    const database = await redis(url).open(system, systemClock, (line) => void told.push(line))
    t.teardown(() => database.close())
    return database
  }
  return { primary, replica, open, told }
}

test('an order that a replica has is done; without one it is carried out and ends with timeout.deadline, and is done when it is asked again', async (t) => {
  const { primary, replica, open } = await withReplica(t)
  const database = await open()
  const direct = (number: number) => database.direct(order(number).directive, order(number).signed, nothingInstalled)
  t.like(await direct(1), { done: true })
  await replica.stop()
  await follows(primary, 0)
  // Those that come at once wait together, and not one after the other.
  const began = performance.now()
  const answers = await Promise.all([2, 3, 4, 5].map((number) => refusalOf(t, direct(number))))
  t.true(performance.now() - began < 6_000)
  for (const { code, message } of answers) {
    t.is(code, 'timeout.deadline')
    t.regex(
      message,
      /^directive \d is carried out, but 0 of 1 replicas of Redis at 127\.0\.0\.1:\d+ have it after 1000 ms: a fail-over/,
    )
  }
  t.is(await database.directives(), 5)
  const another = await startReplica(primary)
  t.teardown(() => another.stop())
  await follows(primary, 1)
  t.like(await direct(5), { done: false, why: 'number', earlier: { result: true } })
})

test('a version that no replica has is installed all the same, as hosts may give it back, and is told of', async (t) => {
  const { primary, replica, open, told } = await withReplica(t)
  const database = await open()
  const install = (head = nothingInstalled, digest = 'd1') => database.install(head, digest, manifestOf(digest).manifest)
  t.true(await install())
  t.is(await database.unreplicated!(), undefined)
  await replica.stop()
  await follows(primary, 0)
  t.regex((await database.unreplicated!())!, /^0 of 1 replicas of Redis at .* have it after 1000 ms$/)
  t.true(await install({ version: 1, digest: 'd1' }, 'd2'))
  t.is(told.length, 1)
  t.regex(told[0]!, /^version 2 is installed, but 0 of 1 replicas .*: after a fail-over hosts give it back$/)
})

test('a login that may not wait is told so', async (t) => {
  const { primary, open } = await withReplica(t, 'server:x@')
  await asked(primary.port, (client) => client.call('ACL', 'SETUSER', 'server', 'on', '>x', '~*', '+@all', '-wait'))
  const database = await open()
  const refused = await refusalOf(t, database.direct(order(1).directive, order(1).signed, nothingInstalled))
  t.regex(refused.message, /0 of 1 replicas of Redis .* \(.*no permissions to run the 'wait' command/)
})

function linkOf(answers: readonly number[]) {
  const asked: number[] = []
  const link = {
    ...{ address: 'here', replicas: 2, connection: 7 },
    wait: async (replicas: number) => {
      asked.push(replicas)
      return answers[asked.length - 1]!
    },
  }
  return { link: link as ReplicaLink & { connection: number }, asked }
}

test('replicas that have what another connection wrote say nothing of this one', async (t) => {
  const { link } = linkOf([2, 2])
  const wait = new ReplicaWait(link)
  t.is(await wait.missing(7), undefined)
  t.regex((await wait.missing(6))!, /^0 of 2 replicas of Redis at here have it/)
})

test('all who come during a wait share the next one; where no replica is asked for nobody waits', async (t) => {
  const { link, asked } = linkOf([1, 2])
  const wait = new ReplicaWait(link)
  const first = wait.missing()
  await Promise.resolve()
  await Promise.resolve()
  const others = [wait.missing(), wait.missing(), wait.missing()]
  t.regex((await first)!, /^1 of 2/)
  t.deepEqual(await Promise.all(others), [undefined, undefined, undefined])
  t.deepEqual(asked, [2, 2])
  t.is(await new ReplicaWait({ ...link, replicas: 0 }).missing(), undefined)
  t.is(asked.length, 2)
})
