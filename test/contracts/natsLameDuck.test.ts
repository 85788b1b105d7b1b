/** A nats-server that goes down in good order (lame duck mode) is left before it ends its connections. */
import test, { type ExecutionContext } from 'ava'
import type { Message, Transport } from '../../core/ports/transport.js'
import { DuplicateFilter } from '../../transports/nats/duplicateFilter.js'
import { nats } from '../../transports/nats/index.js'
import type { NatsLink } from '../../transports/nats/natsLink.js'
import { until } from '../support/eventually.js'
import { freePort } from '../support/freePort.js'
import { startNatsServer, type TestServer } from '../support/servers.js'
import { bytes, textOf } from './transportContract.js'

process.removeAllListeners('warning')

/** With the address where it tells of its connections. */
type Member = TestServer & { readonly monitor: string }

/** Servers of one cluster that know one another. */
async function startCluster(t: ExecutionContext, size: number, graceMs = 3_000): Promise<readonly Member[]> {
  const ports = await Promise.all(Array.from({ length: size }, freePort))
  const routes = ports.map((port) => `nats://127.0.0.1:${port}`)
  const conf = `lame_duck_duration: "30s"\nlame_duck_grace_period: "${graceMs}ms"\n`
  const servers = await Promise.all(
    ports.map(async (port): Promise<Member> => {
      const httpPort = await freePort()
      const cluster = ['--cluster_name', 'c', '--cluster', `nats://127.0.0.1:${port}`, '--routes', routes.join(',')]
      const server = await startNatsServer({
        args: ['-c', 'nats.conf', '-m', String(httpPort), ...cluster],
        files: { 'nats.conf': conf },
      })
      return Object.assign(server, { monitor: `http://127.0.0.1:${httpPort}` })
    }),
  )
  t.teardown(async () => {
    await Promise.all(servers.map((server) => server.stop()))
  })
  // A message that is sent at one of them arrives at each other.
  for (const from of servers) {
    for (const to of servers) {
      const [a, b] = [await connectTo(t, from), await connectTo(t, to)]
      const inbox = b.newInbox()
      let isThere = false
      b.subscribe(inbox, () => {
        isThere = true
      })
      await until(() => {
        a.publish(inbox, bytes('hello'))
        return isThere
      }, 'the route is there')
      await a.close()
      await b.close()
    }
  }
  return servers
}

async function connectTo(t: ExecutionContext, server: TestServer, errors: unknown[] = []): Promise<Transport> {
  const transport = await nats(server.url).connect({ onError: (error) => errors.push(error) })
  t.teardown(() => transport.close())
  return transport
}

function goDown(server: TestServer): void {
  process.kill(server.pid, 'SIGUSR2')
}

async function gone(server: TestServer): Promise<void> {
  await until(() => {
    try {
      process.kill(server.pid, 0)
      return false
    } catch {
      return true
    }
  }, 'the server has gone down')
}

/** Each text as often as it came. */
function countOf(texts: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return counts
}

test.serial(
  'a server in lame duck mode is left: each message comes once, in both directions, and the transport is never away',
  async (t) => {
    const [first, second] = (await startCluster(t, 2)) as [Member, Member]
    const errors: unknown[] = []
    const leaving = await connectTo(t, first, errors)
    const other = await connectTo(t, second)
    const statuses: string[] = []
    leaving.onStatus((status) => statuses.push(status))
    const answers: string[] = []
    const inbox = other.newInbox()
    const [sent, plain, grouped]: [string[], string[], string[]] = [[], [], []]
    const answer = (texts: string[]) => (message: Message) => {
      texts.push(textOf(message))
      leaving.publish(message.replyTo!, message.payload)
    }
    leaving.subscribe('plain', answer(plain))
    leaving.subscribe('grouped', answer(grouped), { queue: 'members' })
    other.subscribe(inbox, (message) => answers.push(textOf(message)))
    await Promise.all([leaving.flush(), other.flush()])
    const ask = () => {
      sent.push(String(sent.length))
      other.publish('plain', bytes(sent.at(-1)!), inbox)
      other.publish('grouped', bytes(sent.at(-1)!), inbox)
    }
    // Both ways between the servers know of the subscriptions.
    await until(() => {
      ask()
      return answers.length > 0
    }, 'the first answers')
    const from = sent.length
    goDown(first)
    let isDown = false
    const down = gone(first).then(() => {
      isDown = true
    })
    while (!isDown) {
      for (let i = 0; i < 5; i++) ask()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await down
    const asked = sent.slice(from)
    // The two subscriptions have each their own way: the last answer says nothing of those before it.
    await until(() => answers.filter((text) => Number(text) >= from).length >= asked.length * 2, 'two answers to each')
    for (const texts of [plain, grouped]) {
      const counts = countOf(texts)
      t.deepEqual(asked.filter((text) => counts.get(text) !== 1).slice(0, 5), [])
    }
    const counts = countOf(answers)
    t.deepEqual(asked.filter((text) => counts.get(text) !== 2).slice(0, 5), [])
    t.deepEqual(statuses, [])
    t.deepEqual(errors, [])
  },
)

test.serial('a subscription that ends during the move ends on both servers, and one that is made then hears', async (t) => {
  const [first, second] = (await startCluster(t, 2)) as [Member, Member]
  const leaving = await connectTo(t, first)
  const other = await connectTo(t, second)
  const heard: string[] = []
  const keep = (message: Message): void => void heard.push(`${message.subject} ${textOf(message)}`)
  const cut = leaving.subscribe('cut', keep)
  const drained = leaving.subscribe('drained', keep)
  await leaving.flush()
  goDown(first)
  await until(async () => await listensAt(second.monitor, 'cut'), 'both servers are listened to')
  cut.unsubscribe()
  await drained.drain()
  t.deepEqual([await listensAt(first.monitor, 'cut'), await listensAt(first.monitor, 'drained')], [false, false])
  leaving.subscribe('later', keep)
  await leaving.flush()
  await until(() => {
    for (const subject of ['cut', 'drained', 'later']) other.publish(subject, bytes('x'))
    return heard.length > 0
  }, 'the new subscription hears')
  t.deepEqual([...new Set(heard)], ['later x'])
  await leaving.close()
  t.is(leaving.status, 'closed')
})

test.serial(
  'where there is no other server, the connection stays until it is cut, one warning says so, and it comes back',
  async (t) => {
    const server = await startNatsServer({
      args: ['-c', 'nats.conf'],
      files: { 'nats.conf': 'lame_duck_duration: "30s"\nlame_duck_grace_period: "1500ms"\n' },
    })
    t.teardown(() => server.stop())
    const errors: unknown[] = []
    const transport = await connectTo(t, server, errors)
    const heard: string[] = []
    transport.subscribe('s', (message) => heard.push(textOf(message)))
    await transport.flush()
    goDown(server)
    await until(() => errors.length > 0, 'it says that there is no other server')
    transport.publish('s', bytes('still there'))
    await until(() => heard.length === 1, 'it still serves')
    await gone(server)
    await until(() => transport.status === 'disconnected', 'it is away')
    await server.restart()
    await until(() => transport.status === 'connected', 'it is back')
    transport.publish('s', bytes('back'))
    await until(() => heard.length === 2, 'it hears')
    t.deepEqual(heard, ['still there', 'back'])
    t.is(errors.length, 1)
    t.regex(String(errors[0]), /is going down and no other server of its cluster can be reached/)
  },
)

test('a message that comes on both connections counts once, one that was sent twice counts twice, in whatever order they come', (t) => {
  const [old, next] = [{}, {}] as [NatsLink, NatsLink]
  const message = (reply: string, text = 'x') => ({ subject: 's', reply, data: bytes(text) })
  const filter = new DuplicateFilter(old, 4)
  const come = (text: string, link: NatsLink) => filter.isFirst(message('r', text), link)
  t.deepEqual([come('a', old), come('a', next)], [true, false])
  t.deepEqual([come('b', next), come('b', old)], [true, false])
  t.deepEqual([come('c', old), come('c', old), come('c', next), come('c', next)], [true, true, false, false])
  t.deepEqual([filter.isFirst(message('r1'), old), filter.isFirst(message('r2'), next)], [true, true])
  t.deepEqual([come('d', old), come('e', old)], [true, true])
  // No more can be kept: nothing may count twice, so the old connection counts no more.
  t.deepEqual([come('f', old), come('f', next), come('d', next), come('e', next)], [false, true, false, false])
})

/** Whether a connection of its own listens to the subject at a server, by its own word. */
async function listensAt(monitor: string, subject: string): Promise<boolean> {
  const { connections } = (await (await fetch(`${monitor}/connz?subs=1`)).json()) as {
    connections: { subscriptions_list?: string[] }[]
  }
  return connections.some(({ subscriptions_list }) => subscriptions_list?.includes(subject) === true)
}
