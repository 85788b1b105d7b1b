/**
 * A transport whose messages say who sent them: U1 and U2 of transports/namedTransport.ts, over
 * a broker in memory.
 */
import test from 'ava'
import type { Fault } from '../../core/base/fault.js'
import { nameLengthMax } from '../../core/base/ids.js'
import type { Message } from '../../core/ports/transport.js'
import { MemoryBroker, memoryTransport } from '../../transports/memory/index.js'
import { type CallersTaken, checkNaming, namedTransport } from '../../transports/namedTransport.js'
import { systemRandom } from '../../transports/systemRandom.js'
import { ManualClock } from '../support/manualClock.js'

const subject = 'theseus.shop.node.n1'
const inboxOfAnn = '_INBOX.ann.1'
const payload = new Uint8Array([7])

function open() {
  const clock = new ManualClock(0)
  const broker = new MemoryBroker({ clock, random: systemRandom })
  const connect = (as: string | null, callers: CallersTaken) => {
    const inner = memoryTransport(broker)
    const faults: Fault[] = []
    const transport = namedTransport(inner, 'shop', { as, callers }, (error) => void faults.push(error as Fault))
    const heard: Message[] = []
    const hear = (on = subject) => transport.subscribe(on, (message) => void heard.push(message))
    return { inner, transport, faults, heard, hear, take: () => heard.splice(0).map(({ caller }) => caller) }
  }
  const stranger = memoryTransport(broker)
  const settle = () => clock.runUntil(clock.monotonicMs())
  return { connect, stranger, settle }
}

test('whose calls a host takes follows from whether it has a name, unless it says so', (t) => {
  t.deepEqual(checkNaming({}), { as: null, callers: 'unnamed' })
  t.deepEqual(checkNaming({ as: 'web' }), { as: 'web', callers: 'named' })
  t.deepEqual(checkNaming({ callers: 'either' }), { as: null, callers: 'either' })
  t.deepEqual(checkNaming({ as: 'web', callers: 'unnamed' }), { as: 'web', callers: 'unnamed' })
  for (const as of ['', 'a.b', '-a', 'a*', 5]) t.throws(() => checkNaming({ as: as as string }), { code: 'config.invalid' })
  for (const callers of ['all', '', null]) t.throws(() => checkNaming({ callers: callers as never }), { code: 'config.invalid' })
})

test('where nothing has a name the transport is the one that is given', (t) => {
  const { connect } = open()
  const { inner, transport } = connect(null, 'unnamed')
  t.is(transport, inner)
})

test('a message says who sent it, and is else what it is without names', async (t) => {
  const { connect, settle } = open()
  const ann = connect('ann', 'named')
  const host = connect('h1', 'named')
  host.hear()
  ann.transport.publish(subject, payload, inboxOfAnn)
  ann.transport.publish(subject, payload)
  await settle()
  t.like(host.heard, [
    { subject, payload, caller: 'ann', replyTo: inboxOfAnn, noResponders: false },
    { subject, payload, caller: 'ann', replyTo: undefined },
  ])
  t.deepEqual(host.faults, [])
})

test('subjects of others, as inboxes are, stay as they are', async (t) => {
  const { connect, stranger, settle } = open()
  const { transport, heard, hear } = connect('h1', 'named')
  hear('_INBOX.h1.*')
  const published: string[] = []
  stranger.subscribe('_INBOX.ann.>', (message) => void published.push(message.subject))
  stranger.publish('_INBOX.h1.5', payload)
  transport.publish(inboxOfAnn, payload)
  await settle()
  t.deepEqual(published, [inboxOfAnn])
  t.like(heard, [{ subject: '_INBOX.h1.5' }])
})

test('nobody listens to messages of other callers than those who are taken (U2)', async (t) => {
  for (const [callers, expected] of [
    ['unnamed', [undefined]],
    ['named', ['ann']],
    ['either', ['ann', undefined]],
  ] as const) {
    for (const as of ['h1', null]) {
      const { connect, stranger, settle } = open()
      const host = connect(as, callers)
      host.hear()
      connect('ann', 'named').transport.publish(subject, payload)
      stranger.publish(subject, payload)
      await settle()
      t.deepEqual(host.take(), [...expected], `${as} takes ${callers}`)
    }
  }
})

test('one without a name sends without a name', async (t) => {
  const { connect, stranger, settle } = open()
  const subjects: string[] = []
  stranger.subscribe('theseus.>', (message) => void subjects.push(message.subject))
  connect(null, 'either').transport.publish(subject, payload)
  connect('ann', 'unnamed').transport.publish(subject, payload)
  await settle()
  t.deepEqual(subjects, [subject, `${subject}.ann`])
})

test('a caller is answered in its own inbox, or where the broker stands for it, and nowhere else (U1)', async (t) => {
  const { connect, stranger, settle } = open()
  const host = connect('h1', 'named')
  host.hear()
  for (const replyTo of [inboxOfAnn, '_R_.x.y']) stranger.publish(`${subject}.ann`, payload, replyTo)
  await settle()
  t.deepEqual(host.take(), ['ann', 'ann'])
  t.deepEqual(host.faults, [])
  const foreign = `_INBOX.bob.${'x'.repeat(3 * nameLengthMax)}`
  for (const replyTo of ['_INBOX.bob.1', '_INBOX.anna.1', '_INBOX.1', subject, foreign])
    stranger.publish(`${subject}.ann`, payload, replyTo)
  await settle()
  t.deepEqual(host.take(), [])
  t.is(host.faults.length, 5)
  for (const fault of host.faults) t.is(fault.code, 'protocol.bad-envelope')
  t.is(
    host.faults[0]!.message,
    `a message on ${subject}.ann was dropped: it asks for an answer to "_INBOX.bob.1", and the inboxes of ann begin with _INBOX.ann.`,
  )
  t.true(
    host.faults[4]!.message.includes(JSON.stringify(foreign.slice(0, 2 * nameLengthMax))),
    'no log line is as long as a sender likes',
  )
})

test('a message that ends with no caller’s name is dropped, and told of', async (t) => {
  const { connect, stranger, settle } = open()
  const host = connect('h1', 'named')
  host.hear()
  stranger.publish(`${subject}.-`, payload)
  await settle()
  t.deepEqual(host.take(), [])
  t.regex(host.faults[0]!.message, /does not end with a caller’s name/)
})

test('one that takes both leaves both, at once or once what has come is done', async (t) => {
  const { connect, stranger, settle } = open()
  const host = connect('h1', 'either')
  const send = async () => {
    stranger.publish(subject, payload)
    stranger.publish(`${subject}.ann`, payload)
    await settle()
  }
  const first = host.hear()
  await send()
  t.is(host.take().length, 2)
  first.unsubscribe()
  await send()
  t.deepEqual(host.take(), [])
  const second = host.hear()
  stranger.publish(subject, payload)
  stranger.publish(`${subject}.ann`, payload)
  let isDrained = false
  const drained = second.drain().then(() => {
    isDrained = true
  })
  await Promise.resolve()
  t.false(isDrained)
  await settle()
  await drained
  t.is(host.take().length, 2)
  await send()
  t.deepEqual(host.take(), [])
  t.deepEqual(host.inner.subscribed, [])
})

test('a refused subscription is told of under the subject that was asked for, once', (t) => {
  const { connect } = open()
  const { inner, transport, hear } = connect('h1', 'either')
  inner.deny([subject, `${subject}.*`, '_INBOX.h1.*'])
  hear()
  hear('_INBOX.h1.*')
  hear('theseus.shop.other')
  t.deepEqual(transport.refused, [subject, '_INBOX.h1.*'])
})

test('what has nothing to do with names is the transport’s own', async (t) => {
  const { connect, settle } = open()
  const { inner, transport } = connect('h1', 'named')
  const statuses: string[] = []
  transport.onStatus((status) => void statuses.push(status))
  t.is(transport.payloadBytesMax, inner.payloadBytesMax)
  t.is(transport.status, 'connected')
  t.regex(transport.newInbox(), /^_INBOX\./)
  await Promise.all([transport.flush(), settle()])
  inner.disconnect()
  t.not(transport.status, 'connected')
  t.is(statuses.length, 1)
  inner.reconnect()
  await Promise.all([transport.close(), settle()])
  t.is(transport.status, 'closed')
})
