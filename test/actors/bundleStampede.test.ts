/**
 * Many hosts ask the upgrade server for one bundle at once. Counts that no machine changes: what is read,
 * asked and refused, and what is on its way. The time is the test's.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { CallTable } from '../../actors/calls/callTable.js'
import { Contacts } from '../../actors/calls/contacts.js'
import { Outbox } from '../../actors/calls/outbox.js'
import { UpgradeServerClient } from '../../actors/history/upgradeServerClient.js'
import { chunksAtOnce, chunksWaitingMax, UpgradeServer } from '../../actors/server/upgradeServer.js'
import { TimerWheel } from '../../actors/timerWheel.js'
import { digestOf } from '../../core/base/digest.js'
import type { Message, Transport } from '../../core/ports/transport.js'
import { bundleChunkBytes, chunkCount } from '../../core/upgrade/manifest.js'
import { decode } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { MemoryBroker, memoryDatabase, memoryTransport } from '../../transports/memory/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { ManualClock } from '../support/manualClock.js'
import { codeOf } from '../support/testSystem.js'

const system = 'stampede'

/** An upgrade server with a bundle, and so many hosts as far as they fetch. */
async function stampede(hosts: number, bundleBytes: number, flushMs = 0) {
  const clock = new ManualClock(0)
  const random = seededRandom(1)
  const broker = new MemoryBroker({ clock, random })
  const database = await memoryDatabase().open(system, clock)
  const whole = new Uint8Array(bundleBytes).fill(7)
  const bundle = { digest: digestOf(whole), bytes: bundleBytes }
  for (let index = 0; index < chunkCount(bundleBytes); index++)
    await database.putChunk(bundle.digest, index, whole.slice(index * bundleChunkBytes, (index + 1) * bundleChunkBytes))

  /** Moves the clock until the work is done. */
  const done = async <T>(work: Promise<T>): Promise<T> => {
    let isOver = false
    const over = () => void (isOver = true)
    work.then(over, over)
    while (!isOver) await clock.runUntil(clock.now() + 100)
    return work
  }

  const counts = {
    reads: 0,
    answered: 0,
    refused: 0,
    flushed: 0,
    /** Chunks that were published and not flushed since. */
    onTheirWayMax: 0,
    /** Questions that servers have and have not answered. */
    open: 0,
    openMax: 0,
    /** How often each host asked for each chunk. */
    asked: new Map<string, number>(),
    /** When somebody asked for something again. */
    againMs: new Set<number>(),
  }
  const getChunk = database.getChunk.bind(database)
  database.getChunk = (...args) => {
    counts.reads++
    return getChunk(...args)
  }
  const begin = () => {
    const server = new UpgradeServer({
      system,
      transport: watched(memoryTransport(broker, { name: 'server' })),
      database,
      clock,
      signatures: nkeySignatures,
      gate: 'off',
    })
    return done(server.start().then(() => server))
  }
  const answered = (payload: Uint8Array) => {
    for (const { kind } of decode(payload)) {
      if (kind === kinds.announcement) continue
      counts.open--
      if (kind === kinds.fault) counts.refused++
      if (kind !== kinds.reply) continue
      counts.answered++
      counts.onTheirWayMax = Math.max(counts.onTheirWayMax, counts.answered - counts.flushed)
    }
  }
  const watched = (transport: Transport): Transport => ({
    payloadBytesMax: transport.payloadBytesMax,
    refused: [],
    status: transport.status,
    publish: (subject, payload, replyTo) => {
      answered(payload)
      transport.publish(subject, payload, replyTo)
    },
    subscribe: (subject, handler, options) => {
      const received = (message: Message) => {
        counts.open++
        handler(message)
        counts.openMax = Math.max(counts.openMax, counts.open)
      }
      return transport.subscribe(subject, received, options)
    },
    newInbox: () => transport.newInbox(),
    flush: async () => {
      const { answered } = counts
      await new Promise<void>((resolve) => void clock.after(flushMs, resolve))
      await transport.flush()
      counts.flushed = Math.max(counts.flushed, answered)
    },
    onStatus: (listener) => transport.onStatus(listener),
    close: () => transport.close(),
  })
  broker.filter = ({ to, message }) => {
    if (to !== 'server') return 'deliver'
    for (const envelope of decode(message.payload)) {
      const { caller, args } = envelope as CallEnvelope
      const key = `${caller} ${args[1]}`
      if (counts.asked.has(key)) counts.againMs.add(clock.now())
      counts.asked.set(key, (counts.asked.get(key) ?? 0) + 1)
    }
    return 'deliver'
  }

  const wheel = new TimerWheel(clock)
  const fetchers = Array.from({ length: hosts }, (_, i) => {
    const transport = memoryTransport(broker, { name: `h${i}` })
    const settings = { ...defaultSettings, system, hostId: `h${i}` }
    const outbox = new Outbox(transport, clock, settings)
    const contacts = new Contacts(clock, settings)
    const calls = new CallTable(transport, clock, random, settings, () => {}, outbox, contacts, wheel)
    return new UpgradeServerClient(clock, settings, calls)
  })
  const fetchAll = () => done(Promise.all(fetchers.map((fetcher) => codeOf(fetcher.bundle(bundle).then(digestOf)))))
  const expected = Array(hosts).fill(`answered ${JSON.stringify(bundle.digest)}`)
  return { clock, broker, counts, server: await begin(), begin, bundle, fetchers, fetchAll, done, expected }
}

test('200 hosts that ask at once get the whole bundle: each chunk is read once, asked for once by each, and few are on their way', async (t) => {
  const { counts, fetchAll, expected, clock } = await stampede(200, 2 * bundleChunkBytes + 10)
  t.deepEqual(await fetchAll(), expected)
  t.is(counts.reads, 3)
  t.deepEqual([...new Set(counts.asked.values())], [1])
  t.is(counts.asked.size, 200 * 3)
  t.is(counts.onTheirWayMax, chunksAtOnce)
  t.is(counts.refused, 0)
  t.true(clock.now() < defaultSettings.chunkResendMs, 'nobody had reason to ask again')
})

test('of 1,500 hosts those are refused for whom the queue has no place; they come again a few times, and all get the bundle', async (t) => {
  const hosts = 1_500
  const { counts, fetchAll, expected } = await stampede(hosts, 100)
  t.deepEqual(await fetchAll(), expected)
  t.is(counts.openMax, chunksAtOnce + chunksWaitingMax)
  t.is(counts.refused, hosts - chunksAtOnce - chunksWaitingMax)
  t.is(counts.reads, 1)
  t.is(Math.max(...counts.asked.values()), 2)
  const moments = [...counts.againMs]
  t.true(moments.length >= 8, 'they come back at different moments')
  t.true(Math.min(...moments) >= defaultSettings.backoffMs)
})

test('hosts that wait for long ask again, and are answered once, in the place that they had', async (t) => {
  const hosts = 100
  const { counts, fetchAll, expected, clock } = await stampede(hosts, 2 * bundleChunkBytes, 4_000)
  t.deepEqual(await fetchAll(), expected)
  // Waits of up to 28 s, and 10 s between two questions.
  t.is(Math.max(...counts.asked.values()), 3)
  t.is(counts.answered, hosts * 2)
  t.is(counts.onTheirWayMax, chunksAtOnce)
  t.true(clock.now() < defaultSettings.chunkDeadlineMs)
})

test('a server that loses the first answers is asked again for what is missing, and for nothing else', async (t) => {
  const hosts = 50
  const { broker, counts, fetchAll, expected } = await stampede(hosts, 2 * bundleChunkBytes + 10)
  const { filter } = broker
  let lost = 0
  broker.filter = (transit) => {
    const passage = filter!(transit)
    if (transit.from !== 'server' || lost >= hosts) return passage
    lost++
    return 'drop'
  }
  t.deepEqual(await fetchAll(), expected)
  const asked = [...counts.asked.values()].reduce((sum, times) => sum + times)
  t.is(asked, hosts * 3 + lost)
  t.is(counts.reads, 3)
})

test('a server that is away in the middle for long is asked for the chunks that are missing when it is back', async (t) => {
  const hosts = 50
  const { broker, counts, fetchAll, expected, server, begin, done } = await stampede(hosts, 2 * bundleChunkBytes + 10)
  const { filter } = broker
  broker.filter = (transit) => {
    const passage = filter!(transit)
    const isSecond = [...counts.asked.keys()].some((key) => key.endsWith(' 1'))
    // It is gone with the first question for the second chunk.
    return isSecond && transit.from === 'server' ? 'drop' : passage
  }
  t.deepEqual(await fetchAll(), Array(hosts).fill('timeout.deadline'))
  const begun = [...counts.asked].filter(([key]) => key.endsWith(' 1')).map(([key]) => key.replace(' 1', ' 0'))
  t.true(begun.length >= chunksAtOnce)
  const before = new Map(counts.asked)
  await done(server.stop())
  broker.filter = filter
  await begin()
  t.deepEqual(await fetchAll(), expected)
  for (const key of begun) t.is(counts.asked.get(key), before.get(key), `${key} is not asked for again`)
  t.is(counts.reads, 6)
})

test('a server that stops refuses those who wait, and the other one answers them', async (t) => {
  const { counts, fetchAll, expected, server, begin, broker } = await stampede(100, bundleChunkBytes)
  await begin()
  const { filter } = broker
  let asked = 0
  broker.filter = (transit) => {
    const passage = filter!(transit)
    if (transit.to === 'server' && ++asked === 90) void server.stop()
    return passage
  }
  t.deepEqual(await fetchAll(), expected)
  t.true(counts.refused > 0)
})
