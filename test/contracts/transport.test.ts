/** The port `Transport` on both adapters, and then what only one of them has. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { connect as connectRaw, headers } from 'nats'
import { isFault } from '../../core/base/fault.js'
import type { Message } from '../../core/ports/transport.js'
import { MemoryBroker, type MemoryTransport, memoryTransport, type Passage } from '../../transports/memory/memoryTransport.js'
import { nats } from '../../transports/nats/index.js'
import { NatsTransport } from '../../transports/nats/natsTransport.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { systemClock } from '../../transports/systemClock.js'
import { until } from '../support/eventually.js'
import { ManualClock } from '../support/manualClock.js'
import { codeOf } from '../support/rejections.js'
import { startNatsServer } from '../support/servers.js'
import {
  bytes,
  type InterruptibleTransport,
  interruptibleTransportContract,
  type RefusingTransport,
  refusingTransportContract,
  textOf,
  transportContract,
} from './transportContract.js'

// Node.js prints warnings by a listener of its own; the tests that provoke some listen themselves.
process.removeAllListeners('warning')

async function openMemory(): Promise<RefusingTransport> {
  const broker = new MemoryBroker({ clock: systemClock, random: seededRandom(1) })
  const made: MemoryTransport[] = []
  let denied: readonly string[] = []
  return {
    connect: async (options) => {
      const transport = memoryTransport(broker, options)
      transport.deny(denied)
      made.push(transport)
      return transport
    },
    cut: () => {
      for (const transport of made) transport.disconnect()
    },
    mend: async () => {
      for (const transport of made) transport.reconnect()
    },
    deny: (subjects) => {
      denied = subjects
      for (const transport of made) transport.deny(subjects)
    },
    end: async () => {},
  }
}

async function openNats(): Promise<InterruptibleTransport> {
  const server = await startNatsServer()
  const factory = nats(server.url)
  return {
    connect: (options) => factory.connect(options),
    cut: () => server.kill(),
    mend: () => server.restart(),
    end: () => server.stop(),
  }
}

/** A server whose permissions an operator changes while it runs. */
async function openNatsThatRefuses(): Promise<RefusingTransport> {
  const dir = mkdtempSync(join(tmpdir(), 'theseus-nats-permissions-'))
  const file = join(dir, 'nats.conf')
  const write = (denied: readonly string[], name = '') => {
    const permissions = denied.length === 0 ? '' : `, permissions: { subscribe: { deny: ${JSON.stringify(denied)} } }`
    // A name from the command line is missed when the file is read again.
    writeFileSync(file, `${name}authorization { users = [ { user: u, password: p${permissions} } ] }\n`)
  }
  write([])
  const server = await startNatsServer({ args: ['-c', file] })
  const factory = nats({ servers: server.url, user: 'u', pass: 'p' })
  return {
    connect: (options) => factory.connect(options),
    cut: () => server.kill(),
    mend: () => server.restart(),
    deny: (subjects) => {
      write(subjects, `server_name: "theseus-test-${process.pid}-${server.port}"\n`)
      process.kill(server.pid, 'SIGHUP')
    },
    end: async () => {
      await server.stop()
      rmSync(dir, { recursive: true })
    },
  }
}

refusingTransportContract('memory', openMemory)
refusingTransportContract('nats', openNatsThatRefuses)
transportContract('memory', openMemory)
interruptibleTransportContract('memory', openMemory)
transportContract('nats', openNats)
interruptibleTransportContract('nats', openNats)

// The tests of NATS alone.

test('nats: a server that is not there is one clear fault', async (t) => {
  const error = await t.throwsAsync(nats('nats://127.0.0.1:1').connect())
  t.true(isFault(error) && error.code === 'unavailable.disconnected')
  t.is(error?.message, "can't reach NATS at nats://127.0.0.1:1: is nats-server running there?")
})

test('nats: a server that does not answer is the same fault, within connectTimeoutMs', async (t) => {
  const { port, stop } = await silentServer()
  t.teardown(stop)
  const error = await t.throwsAsync(nats({ servers: `nats://127.0.0.1:${port}`, connectTimeoutMs: 100 }).connect())
  t.true(isFault(error) && error.code === 'unavailable.disconnected')
})

test('nats: a refused login is a fault of the configuration, and the right one is let in', async (t) => {
  const server = await startNatsServer({ args: ['--user', 'ajmani', '--pass', 'hotos'] })
  t.teardown(() => server.stop())
  t.is(await codeOf(nats(server.url).connect()), 'config.invalid')
  t.is(await codeOf(nats({ servers: server.url, user: 'ajmani', pass: 'wrong' }).connect()), 'config.invalid')
  const transport = await nats({ servers: [server.url], user: 'ajmani', pass: 'hotos' }).connect()
  await transport.flush()
  await transport.close()
})

test('nats: servers that can not be meant are refused at once', (t) => {
  for (const servers of [[], '', 'nats://user:secret@127.0.0.1:4222']) {
    const error = t.throws(() => nats({ servers }))
    t.true(isFault(error) && error.code === 'config.invalid')
    t.false(error?.message.includes('secret'))
  }
})

test('nats: messages with headers arrive without them, and only an empty 503 is a no-responders answer', async (t) => {
  const server = await startNatsServer()
  t.teardown(() => server.stop())
  const transport = await nats(server.url).connect()
  const raw = await connectRaw({ servers: server.url })
  const messages: Message[] = []
  transport.subscribe('with.headers', (message) => void messages.push(message))
  await transport.flush()
  const traced = headers()
  traced.set('traceparent', '00-1-2-01')
  raw.publish('with.headers', bytes('traced'), { headers: traced })
  raw.publish('with.headers', bytes(''), { headers: traced })
  raw.publish('with.headers', bytes('text'), { headers: headers(503, 'busy') })
  await until(() => messages.length === 3, 'all messages have arrived')
  t.deepEqual(
    messages.map((message) => [textOf(message), message.noResponders]),
    [
      ['traced', false],
      ['', false],
      ['text', false],
    ],
  )
  await raw.close()
  await transport.close()
})

test('nats: close is bounded when the server hangs, and what waits for it is rejected', async (t) => {
  const server = await startNatsServer()
  t.teardown(() => server.stop())
  const transport = await nats({ servers: server.url, closeTimeoutMs: 100 }).connect()
  const subscription = transport.subscribe('s', () => {})
  process.kill(server.pid, 'SIGSTOP')
  await until(() => stopped(server.pid), 'the server hangs')
  const flushed = codeOf(transport.flush())
  const drained = subscription.drain()
  await transport.close()
  process.kill(server.pid, 'SIGCONT')
  t.is(await flushed, 'unavailable.disconnected')
  await t.notThrowsAsync(drained)
})

test('nats: close while an attempt to connect is under way leaves no connection behind', async (t) => {
  const server = await startNatsServer()
  t.teardown(() => server.stop())
  const transport = await nats({ servers: server.url, connectTimeoutMs: 3_000 }).connect()
  await server.stop()
  // In its place stands a server that says nothing until the transport is closed.
  const silent = await silentServer(server.port)
  t.teardown(silent.stop)
  await until(() => silent.sockets.length > 0, 'an attempt is under way')
  await transport.close()
  const said: string[] = []
  for (const socket of silent.sockets) socket.on('data', (chunk) => said.push(String(chunk)))
  for (const socket of silent.sockets)
    socket.write('INFO {"headers":true,"max_payload":1048576,"proto":1,"version":"2.9.10"}\r\n')
  await until(() => silent.sockets.every((socket) => socket.destroyed), 'the client has hung up')
  t.deepEqual(said, [])
})

test('nats: a connection goes on trying for as long as the server is away', async (t) => {
  const server = await startNatsServer()
  t.teardown(() => server.stop())
  const transport = await nats(server.url).connect()
  t.teardown(() => transport.close())
  server.kill()
  const silent = await silentServer(server.port)
  t.teardown(silent.stop)
  await until(() => {
    for (const socket of silent.sockets) socket.destroy()
    return silent.sockets.length > 3
  }, 'several attempts have been made')
  t.is(transport.status, 'disconnected')
  silent.stop()
  await server.restart()
  await until(() => transport.status === 'connected', 'the connection is back')
  await transport.flush()
})

test('nats: a connection whose peer is silent is away at once, for its socket may take minutes to end', async (t) => {
  const server = await startNatsServer()
  t.teardown(() => server.stop())
  const connection = await connectRaw({ servers: server.url })
  const gate = { open: true }
  const transport = new NatsTransport(connection, {
    ...{ gate, inboxPrefix: undefined, payloadBytesMax: 1024, closeTimeoutMs: 100 },
    report: (error) => t.fail(String(error)),
  })
  t.teardown(() => transport.close())
  const flushed = codeOf(transport.flush())
  t.is(await flushed, 'answered undefined')
  // As the client says it after pings without an answer; its socket is still open.
  const { protocol } = connection as unknown as { protocol: { dispatchStatus(status: object): void } }
  protocol.dispatchStatus({ type: 'staleConnection', data: '' })
  await until(() => transport.status === 'disconnected', 'it is away')
  t.throws(() => transport.publish('s', bytes('lost')), { message: 'not connected to NATS' })
  t.is(await codeOf(transport.flush()), 'unavailable.disconnected')
})

test('nats: N8: whoever knows an inbox of a connection knows nothing of another one’s name', async (t) => {
  const server = await startNatsServer()
  t.teardown(() => server.stop())
  const transport = await nats({ servers: server.url, inboxPrefix: '_INBOX.host' }).connect()
  t.teardown(() => transport.close())
  const names = Array.from({ length: 200 }, () => transport.newInbox())
  for (const name of names) t.regex(name, /^_INBOX\.host\.[0-9a-z]{20,25}$/)
  const tokens = names.map((name) => name.slice('_INBOX.host.'.length))
  // Names that count begin alike.
  for (const length of [8, 12]) t.is(new Set(tokens.map((token) => token.slice(0, length))).size, 200)
})

/** A signal arrives in its own time: stopped is a process when all its threads are. */
function stopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).every((task) => readFileSync(`${tasks}/${task}/stat`, 'utf8').includes(') T '))
}

/** Accepts connections and says nothing. */
async function silentServer(port = 0): Promise<{ port: number; sockets: Socket[]; stop: () => void }> {
  const sockets: Socket[] = []
  const server = createServer((socket) => sockets.push(socket.on('error', () => {}).resume()))
  // A server that was killed may hold its port for a moment.
  await until(() => listening(server, port), `port ${port} is free`)
  const stop = (): void => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return { port: (server.address() as { port: number }).port, sockets, stop }
}

function listening(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => resolve(true))
  })
}

// The tests of the broker in memory alone.

/** Its turns end when time has passed. */
class TurningClock extends ManualClock {
  override advance(ms: number): void {
    super.advance(ms)
    this.endTurn()
  }
}

function world(seed = 1) {
  const clock = new TurningClock()
  const broker = new MemoryBroker({ clock, random: seededRandom(seed) })
  const [a, b] = [memoryTransport(broker, { name: 'a' }), memoryTransport(broker, { name: 'b' })]
  const texts: string[] = []
  const hear = (transport: MemoryTransport, subject: string) =>
    transport.subscribe(subject, (message) => void texts.push(textOf(message)))
  return { clock, broker, a, b, texts, hear }
}

test('memory: messages wait for the turn, and one turn delivers them all', (t) => {
  const { clock, a, b, texts, hear } = world()
  hear(b, 's')
  for (const text of ['1', '2', '3']) a.publish('s', bytes(text))
  t.deepEqual(texts, [])
  t.is(clock.runTurn(), 1)
  t.deepEqual(texts, ['1', '2', '3'])
})

test('memory: what a handler publishes waits for the next turn', (t) => {
  const { clock, a, b, texts, hear } = world()
  b.subscribe('ping', () => b.publish('pong', bytes('pong')))
  hear(a, 'pong')
  a.publish('ping', bytes('ping'))
  clock.runTurn()
  t.deepEqual(texts, [])
  clock.runTurn()
  t.deepEqual(texts, ['pong'])
})

test('memory: the same seed chooses the same members of a queue group, another seed others', (t) => {
  const chosen = (seed: number): string => {
    const { clock, a, b } = world(seed)
    const members: string[] = []
    for (const member of ['x', 'y', 'z']) b.subscribe('s', () => void members.push(member), { queue: 'q' })
    for (let i = 0; i < 60; i++) a.publish('s', bytes(''))
    clock.advance(0)
    return members.join('')
  }
  t.is(chosen(7), chosen(7))
  t.not(chosen(7), chosen(8))
})

test('memory: a filter may drop a message, for one receiver alone', (t) => {
  const { clock, broker, a, b, texts, hear } = world()
  hear(a, 's')
  hear(b, 's')
  broker.filter = ({ from, to, message }) => (from === 'a' && to === 'b' && message.subject === 's' ? 'drop' : 'deliver')
  a.publish('s', bytes('1'))
  clock.advance(0)
  t.deepEqual(texts, ['1'])
})

test('memory: a dropped message is not answered with no-responders, for somebody listens', (t) => {
  const { clock, broker, a, b, texts, hear } = world()
  hear(b, 's')
  hear(a, 'inbox')
  broker.filter = () => 'drop'
  a.publish('s', bytes('1'), 'inbox')
  broker.filter = undefined
  clock.advance(0)
  t.deepEqual(texts, [])
})

test('memory: a filter may deliver a message twice', (t) => {
  const { clock, broker, a, b, texts, hear } = world()
  hear(b, 's')
  broker.filter = () => 'duplicate'
  a.publish('s', bytes('1'))
  clock.advance(0)
  t.deepEqual(texts, ['1', '1'])
})

test('memory: a delayed message holds back what follows on its way, and nothing else', (t) => {
  const { clock, broker, a, b, texts, hear } = world()
  hear(b, 's')
  const passages: Passage[] = ['deliver', { delayMs: 100 }, 'deliver', { delayMs: 10 }, 'deliver']
  broker.filter = ({ from }) => (from === 'a' ? passages.shift()! : 'deliver')
  for (const text of ['1', '2', '3', '4', '5']) a.publish('s', bytes(text))
  b.publish('s', bytes('from b'))
  clock.advance(0)
  t.deepEqual(texts, ['1', 'from b'])
  clock.advance(99)
  t.deepEqual(texts, ['1', 'from b'])
  clock.advance(1)
  t.deepEqual(texts, ['1', 'from b', '2', '3', '4', '5'])
  passages.push('deliver')
  a.publish('s', bytes('6'))
  clock.advance(0)
  t.is(texts.at(-1), '6')
})

test('memory: a drain waits for delayed messages', async (t) => {
  const { clock, broker, a, b, texts, hear } = world()
  const subscription = hear(b, 's')
  broker.filter = () => ({ delayMs: 50 })
  a.publish('s', bytes('late'))
  const drained = subscription.drain()
  clock.advance(50)
  await drained
  t.deepEqual(texts, ['late'])
})

test('memory: unsubscribe ends a drain that waits', async (t) => {
  const { broker, a, b, hear } = world()
  const subscription = hear(b, 's')
  broker.filter = () => ({ delayMs: 50 })
  a.publish('s', bytes('late'))
  const drained = subscription.drain()
  subscription.unsubscribe()
  await t.notThrowsAsync(drained)
})

test('memory: what is on its way to a connection that is cut is lost, what it sent is not', (t) => {
  const { clock, a, b, texts, hear } = world()
  hear(a, 'to.a')
  hear(b, 'to.b')
  a.publish('to.b', bytes('lost'))
  b.publish('to.a', bytes('sent'))
  b.disconnect()
  b.reconnect()
  clock.advance(0)
  t.deepEqual(texts, ['sent'])
})

test('memory: a message to a connection that is cut finds nobody', (t) => {
  const { clock, a, b, hear } = world()
  hear(b, 's')
  const answers: boolean[] = []
  a.subscribe('inbox', (message) => void answers.push(message.noResponders))
  b.disconnect()
  a.publish('s', bytes('x'), 'inbox')
  clock.advance(0)
  t.deepEqual(answers, [true])
})

test('memory: ten thousand subjects and patterns are found as fast as one', (t) => {
  const { clock, a, b } = world()
  let received = 0
  for (let i = 0; i < 10_000; i++) {
    b.subscribe(`node.${i}`, () => void received++)
    b.subscribe(`inbox.${i}.*`, () => void received++)
  }
  const before = process.cpuUsage()
  for (let i = 0; i < 10_000; i++) {
    a.publish(`node.${i}`, bytes(''))
    a.publish(`inbox.${i}.1`, bytes(''))
  }
  clock.advance(0)
  t.is(received, 20_000)
  t.true(process.cpuUsage(before).user < 2_000_000, 'a scan of all patterns for each message would take ten times as long')
})

// Time and chance.

test('the system clock keeps the order of turns, cancels timers, and waits longer than one timer can', async (t) => {
  const seen: string[] = []
  systemClock.turn(() => seen.push('first'))
  systemClock.turn(() => seen.push('second'))
  const cancel = systemClock.after(1, () => seen.push('cancelled'))
  cancel()
  const cancelLong = systemClock.after(2 ** 31, () => seen.push('25 days'))
  const cancelNever = systemClock.after(Number.POSITIVE_INFINITY, () => seen.push('never'))
  // It rings after all that was due before.
  await new Promise<void>((resolve) => void systemClock.after(10, resolve))
  cancelLong()
  cancelNever()
  t.deepEqual(seen, ['first', 'second'])
  t.true(Math.abs(systemClock.now() - Date.now()) < 1_000)
})

test('a seed gives the same numbers again, in [0, 1), and evenly', (t) => {
  const take = (seed: number, count: number): number[] => {
    const random = seededRandom(seed)
    return Array.from({ length: count }, () => random.next())
  }
  t.deepEqual(take(42, 5), take(42, 5))
  // Written down, so that a run can be repeated by a later version.
  t.deepEqual(
    take(42, 3).map((number) => number * 2 ** 32),
    [145076852, 3246010591, 4141225530],
  )
  const firsts = [0, 1, 2, 2 ** 32, 2 ** 53 - 1].map((seed) => take(seed, 1)[0])
  t.is(new Set(firsts).size, firsts.length)
  const many = take(3, 100_000)
  t.true(many.every((number) => number >= 0 && number < 1))
  const shares = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
  for (const number of many) shares[Math.floor(number * 10)]!++
  t.true(shares.every((share) => Math.abs(share - 10_000) < 500))
})
