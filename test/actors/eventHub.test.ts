/** Which nodes of a host hear which events, and which subscriptions that takes. */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { EventHub, type Hearer } from '../../actors/serving/eventHub.js'
import type { Fault } from '../../core/base/fault.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { Message, Transport } from '../../core/ports/transport.js'
import { encodeAnnouncement, encodeCall } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'

const { event, introduced } = subjectsOf('shop')

const eventOf = (name: string, label = 0, kind: CallEnvelope['kind'] = kinds.event) =>
  encodeCall({
    kind,
    label,
    seq: 1,
    method: name,
    args: [],
    deadlineMs: 1_000,
    caller: 'cart',
    incarnation: 1,
    callerClass: 'Cart.v1',
    callerVersion: 0,
    expects: null,
    path: null,
    trace: null,
    together: false,
  })

function open() {
  const subscribed = new Map<string, (message: Message) => void>()
  const events: HostEvent[] = []
  const transport = {
    subscribe(subject: string, handler: (message: Message) => void) {
      if (subscribed.has(subject)) throw new Error(`subscribed twice: ${subject}`)
      subscribed.set(subject, handler)
      return { unsubscribe: () => void subscribed.delete(subject), drain: async () => {} }
    },
  } as unknown as Transport
  const settings = { ...defaultSettings, system: 'shop', hostId: 'h' }
  const hub = new EventHub(transport, settings, (heard) => void events.push(heard))
  const log: string[] = []
  return {
    hub,
    events,
    /** A node that knows versions up to this one. */
    node: (name: string, newest = 0): Hearer => ({
      knows: (version) => version <= newest,
      hear: ({ subject }) => void log.push(`${name} ${subject.split('.').at(-1)}`),
    }),
    subjects: () => [...subscribed.keys()].sort(),
    /** The hearers of the event. */
    published(subject: string, ...envelopes: readonly Uint8Array[]): readonly string[] {
      const payload = Buffer.concat(envelopes.length === 0 ? [eventOf('x')] : envelopes)
      subscribed.get(subject)?.({ subject, payload, replyTo: undefined, noResponders: false })
      return log.splice(0)
    },
  }
}

test('nodes share one subscription per event, and it ends with the last of them', (t) => {
  const s = open()
  const [a, b] = [s.node('a'), s.node('b')]
  t.deepEqual(s.subjects(), [])
  s.hub.hear(a, new Set(['moved', 'sold']))
  s.hub.hear(b, new Set(['moved']))
  t.deepEqual(s.subjects(), [event('moved'), event('sold')])
  t.deepEqual(s.published(event('moved')), ['a moved', 'b moved'])
  t.deepEqual(s.published(event('sold')), ['a sold'])
  s.hub.leave(a)
  t.deepEqual(s.subjects(), [event('moved')])
  t.deepEqual(s.published(event('moved')), ['b moved'])
  s.hub.leave(b)
  t.deepEqual(s.subjects(), [])
  s.hub.hear(a, new Set(['moved']))
  t.deepEqual(s.published(event('moved')), ['a moved'])
})

test('a node that hears other events from now on hears no others', (t) => {
  const s = open()
  const [a, b] = [s.node('a'), s.node('b')]
  s.hub.hear(a, new Set(['moved', 'sold']))
  s.hub.hear(b, new Set(['moved']))
  s.hub.hear(a, new Set(['sold', 'lost']))
  t.deepEqual(s.subjects(), [event('lost'), event('moved'), event('sold')])
  t.deepEqual(s.published(event('moved')), ['b moved'])
  t.deepEqual(s.published(event('lost')), ['a lost'])
  s.hub.hear(b, new Set())
  t.deepEqual(s.subjects(), [event('lost'), event('sold')])
  s.hub.hear(b, new Set())
  s.hub.leave(b)
  s.hub.hear(b, new Set(['sold']))
  t.deepEqual(s.published(event('sold')), ['a sold', 'b sold'])
})

test('events that upgrades bring are listened for while a node serves', (t) => {
  const s = open()
  const [a, b] = [s.node('a'), s.node('b')]
  s.hub.attend(a)
  s.hub.attend(b)
  t.deepEqual(s.subjects(), [introduced])
  s.hub.leave(a)
  s.hub.leave(a)
  t.deepEqual(s.subjects(), [introduced])
  s.hub.leave(b)
  t.deepEqual(s.subjects(), [])
  s.hub.leave(b)
  s.hub.attend(a)
  t.deepEqual(s.published(introduced, eventOf('sold', 1)), ['a _introduced'])
})

test('an event that an upgrade brings goes to nodes that do not know its version, and to those that hear it', (t) => {
  const s = open()
  for (const node of [s.node('old', 0), s.node('deaf', 1)]) s.hub.attend(node)
  const hears = s.node('hears', 1)
  s.hub.attend(hears)
  s.hub.hear(hears, new Set(['sold']))
  t.deepEqual(s.published(introduced, eventOf('sold', 1)), ['old _introduced', 'hears _introduced'])
  t.deepEqual(s.published(introduced, eventOf('moved', 1)), ['old _introduced'])
  // The newest of a message counts, and any of its names.
  t.deepEqual(s.published(introduced, eventOf('moved', 0), eventOf('sold', 0)), ['hears _introduced'])
  t.deepEqual(s.published(introduced, eventOf('moved', 1), eventOf('lost', 0)), ['old _introduced'])
  t.deepEqual(s.events, [])
})

test('what is no event on the subject of events is a dead letter, with all of its message', (t) => {
  const s = open()
  s.hub.attend(s.node('a'))
  for (const payload of [
    [eventOf('sold', 1), eventOf('sold', 1, kinds.call)],
    [eventOf('sold', 1, kinds.send)],
    [encodeAnnouncement(1, null)],
    [new Uint8Array([0xc1])],
  ]) {
    t.deepEqual(s.published(introduced, ...payload), [])
  }
  t.is(s.events.length, 4)
  for (const heard of s.events) {
    t.true(heard.type === 'deadLetter' && heard.subject === introduced)
    t.is(heard.type === 'deadLetter' && (heard.fault as Fault).code, 'protocol.bad-envelope')
  }
})
