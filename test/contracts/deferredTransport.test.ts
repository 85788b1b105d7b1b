/** A transport that is opened as soon as it can be: until then it is disconnected. */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import type { Message, TransportStatus } from '../../core/ports/transport.js'
import { connectDeferred } from '../../transports/deferredTransport.js'
import { MemoryBroker, memoryTransport } from '../../transports/memory/memoryTransport.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { systemClock } from '../../transports/systemClock.js'
import { until } from '../support/eventually.js'
import { ManualClock } from '../support/manualClock.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const textOf = ({ payload }: Message) => new TextDecoder().decode(payload)

async function open() {
  const broker = new MemoryBroker({ clock: systemClock, random: seededRandom(1) })
  const clock = new ManualClock()
  const state = { isAway: true, tries: 0 }
  const told: string[] = []
  const factory = {
    connect: async () => {
      state.tries++
      if (state.isAway) throw new Fault('unavailable.disconnected', 'nobody there')
      return memoryTransport(broker, {})
    },
  }
  const transport = await connectDeferred(factory, {}, clock, ({ message }) => void told.push(message))
  const comes = async () => {
    state.isAway = false
    clock.advance(5_000)
    await until(() => transport.status === 'connected', 'it is connected')
  }
  return { broker, clock, state, told, transport, comes, other: memoryTransport(broker, {}) }
}

test('until it can be opened it is disconnected, sends nothing, and is tried again', async (t) => {
  const { transport, state, told, clock, comes } = await open()
  const statuses: TransportStatus[] = []
  transport.onStatus((status) => void statuses.push(status))
  t.deepEqual([told, transport.status, transport.refused], [['nobody there'], 'disconnected', []])
  t.throws(() => transport.publish('a', bytes('x')), { message: 'not connected yet' })
  await transport.flush()
  clock.advance(300)
  await until(() => state.tries === 2, 'it is tried again')
  await comes()
  t.deepEqual(statuses, ['connected'])
  t.true(transport.payloadBytesMax > 0)
})

test('subscriptions of before hear, but for those that have ended', async (t) => {
  const { transport, other, comes } = await open()
  const heard: string[] = []
  transport.subscribe('a.*', (message) => void heard.push(`${message.subject} ${textOf(message)}`))
  transport.subscribe('a.*', () => void heard.push('ended')).unsubscribe()
  await transport.subscribe('a.*', () => void heard.push('drained')).drain()
  await comes()
  await transport.flush()
  other.publish('a.b', bytes('x'))
  await until(() => heard.length > 0, 'it hears')
  t.deepEqual(heard, ['a.b x'])
})

test('Q1: answers come to the inboxes of before, and so does the word that nobody listens', async (t) => {
  const { transport, other, comes } = await open()
  const [one, two] = [transport.newInbox(), transport.newInbox()]
  t.not(one, two)
  const heard: string[] = []
  for (const inbox of [one, two])
    transport.subscribe(
      `${inbox}.*`,
      (message) => void heard.push(`${message.subject} ${message.noResponders} ${textOf(message)}`),
    )
  await comes()
  other.subscribe('question', (message) => {
    t.false(message.replyTo!.startsWith(one))
    other.publish(message.replyTo!, bytes('answer'))
  })
  await Promise.all([transport.flush(), other.flush()])
  transport.publish('question', bytes('?'), `${one}.7`)
  transport.publish('nobody', bytes('?'), `${two}.8`)
  await until(() => heard.length === 2, 'both are heard')
  t.deepEqual(heard.sort(), [`${one}.7 false answer`, `${two}.8 true `])
})

test('one that is closed is not opened any more', async (t) => {
  const { transport, state, clock } = await open()
  await transport.close()
  clock.advance(60_000)
  t.deepEqual([transport.status, state.tries], ['closed', 1])
})

test('what waiting does not mend is told at once', async (t) => {
  const wrong = { connect: () => Promise.reject(new Fault('config.invalid', 'a wrong password')) }
  await t.throwsAsync(
    connectDeferred(wrong, {}, new ManualClock(), () => {}),
    { message: 'a wrong password' },
  )
})
