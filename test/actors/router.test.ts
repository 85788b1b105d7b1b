/**
 * The treatment of messages that nobody should send: to a node, to its service, to a caller, among the
 * announcements. Each gets a typed fault if it has a reply address and is a counted dead letter if not;
 * nothing is thrown out of the host, and it goes on serving.
 */
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { Fault, isFault } from '../../core/base/fault.js'
import { decode, encodeAnnouncement, encodeCall, encodeFault, encodeReply } from '../../core/wire/codec.js'
import {
  type CallEnvelope,
  deadlineMsMax,
  type Envelope,
  type FaultEnvelope,
  kinds,
  type ReplyEnvelope,
} from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { command, createHost, type HostEvent, NodeObject, query, type RunningHost, startUpgradeServer } from '../../index.js'
import { embeddedServices } from '../../transports/memory/embeddedServices.js'
import { type MemoryTransport, memoryRepository, memoryStore } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { bytesOf } from '../support/protocolPage.js'

class Pages extends NodeObject<{ pages: Record<string, unknown> }> {
  static override readonly className = 'Pages.v1'
  static override initial() {
    return { pages: {} }
  }

  @command put(url: string, html: unknown): void {
    this.state.pages[url] = html
  }

  @query get(url: string): unknown {
    return this.state.pages[url] ?? null
  }

  @query text(length: number): string {
    return 'x'.repeat(length)
  }
}

const replier = { node: 'p2', className: 'Pages.v1', version: 0 }
const call: CallEnvelope = {
  kind: kinds.call,
  label: 0,
  seq: 1,
  method: 'get',
  args: ['/a'],
  deadlineMs: 10_000,
  caller: 'stranger',
  incarnation: 7,
  callerClass: 'Client',
  callerVersion: 0,
  expects: null,
  path: null,
  trace: null,
  together: false,
}

/** A host with one node, and a stranger on the same broker. */
class House {
  readonly subjects
  readonly events: HostEvent[] = []
  readonly answers: { readonly token: string; readonly envelope: Envelope }[] = []
  #inbox = ''
  #tokens = 0

  constructor(
    readonly host: RunningHost,
    readonly stranger: MemoryTransport,
  ) {
    this.subjects = subjectsOf(host.system)
    this.#inbox = stranger.newInbox()
    host.observe((event) => this.events.push(event))
    stranger.subscribe(`${this.#inbox}.*`, ({ subject, payload }) => {
      for (const envelope of decode(payload)) this.answers.push({ token: subject.slice(this.#inbox.length + 1), envelope })
    })
  }

  get deadLetters(): readonly Fault[] {
    return this.events.flatMap((event) => (event.type === 'deadLetter' ? [event.fault] : []))
  }

  /** Those that nobody could read. */
  get unread(): number {
    return this.events.filter((event) => event.type === 'deadLetter' && event.letter === undefined).length
  }

  /** Sends a message and returns the token of its reply address. */
  ask(subject: string, payload: Uint8Array): string {
    const token = String(++this.#tokens)
    this.stranger.publish(subject, payload, `${this.#inbox}.${token}`)
    return token
  }

  tell(subject: string, payload: Uint8Array): void {
    this.stranger.publish(subject, payload)
  }

  async answer(token: string): Promise<Envelope> {
    return (await until(() => this.answers.find((answer) => answer.token === token), `message ${token} is answered`))!.envelope
  }

  async fault(token: string): Promise<FaultEnvelope> {
    const answer = await this.answer(token)
    if (answer.kind !== kinds.fault) throw new Error(`message ${token} got kind ${answer.kind}`)
    return answer
  }

  async call(change: Partial<CallEnvelope>): Promise<Envelope> {
    return await this.answer(this.ask(this.subjects.node('p1'), encodeCall({ ...call, ...change })))
  }

  /** The node answers a normal call, and nothing has gone wrong behind the scenes. */
  async serves(t: ExecutionContext): Promise<void> {
    const reply = (await this.call({ seq: 77, method: 'text', args: [2] })) as ReplyEnvelope
    t.is(reply.seq, 77)
    t.is(reply.value, 'xx')
    for (const event of this.events)
      t.true(event.type === 'deadLetter' || event.type === 'phase', `the host reports ${JSON.stringify(event)}`)
  }
}

let systems = 0

async function openHouse(t: ExecutionContext): Promise<House> {
  const system = `router-${++systems}`
  const host = await createHost({ system, state: memoryStore(), bundles: memoryRepository() })
  t.teardown(() => host.stop())
  const stranger = (await embeddedServices(system).transport.connect({ name: 'stranger' })) as MemoryTransport
  const house = new House(host, stranger)
  await host.node(Pages, 'p1')
  return house
}

const whole = new Uint8Array(encodeCall(call))
const malformed: Record<string, readonly [Uint8Array, string]> = {
  'an empty message': [new Uint8Array(0), 'protocol.bad-envelope'],
  'a number': [bytesOf('05'), 'protocol.bad-envelope'],
  'a record': [bytesOf('80'), 'protocol.bad-envelope'],
  'an empty envelope': [bytesOf('90'), 'protocol.format'],
  'half a call': [whole.slice(0, whole.length / 2), 'protocol.bad-envelope'],
  'a call and a half': [new Uint8Array(Buffer.concat([whole, whole.slice(0, -1)])), 'protocol.bad-envelope'],
  'a call of format 3': [whole.with(1, 3), 'protocol.format'],
  'a call with a negative label': [whole.with(3, 0xff), 'protocol.bad-envelope'],
  'a call with the byte c1': [whole.with(2, 0xc1), 'protocol.bad-envelope'],
  'a message full of zeros, as large as the transport takes': [new Uint8Array(1024 * 1024), 'protocol.bad-envelope'],
  'nesting as deep as the transport takes': [new Uint8Array(1024 * 1024).fill(0x91), 'protocol.bad-envelope'],
  'a reply': [new Uint8Array(encodeReply(0, 1, 'x', replier, 0)), 'protocol.bad-envelope'],
  'a fault': [new Uint8Array(encodeFault(0, 1, new Fault('version.dead', 'x'), replier)), 'protocol.bad-envelope'],
  'an announcement': [new Uint8Array(encodeAnnouncement(3, null)), 'protocol.bad-envelope'],
}

for (const [what, [payload, code]] of Object.entries(malformed)) {
  test(`${what} gets ${code} if it has a reply address, and is a dead letter if not`, async (t) => {
    const house = await openHouse(t)
    for (const subject of [house.subjects.node('p1'), house.subjects.service('pages')]) {
      const before = house.deadLetters.length
      const { label, seq, fault, replier: by } = await house.fault(house.ask(subject, payload))
      t.deepEqual([label, seq, fault.code, fault.retryable], [0, 0, code, false] as never)
      t.deepEqual(by, { node: 'p1', className: 'Pages.v1', version: 0 })
      t.is(house.deadLetters.length, before)
      house.tell(subject, payload)
      await until(() => house.deadLetters.length > before, 'the dead letter is counted')
      t.is(house.deadLetters.at(-1)!.code as string, code)
      await house.serves(t)
    }
  })
}

test('of a message with one envelope that can’t be read, nothing is executed', async (t) => {
  const house = await openHouse(t)
  const put = encodeCall({ ...call, method: 'put', args: ['/a', 'written'] })
  const { seq, fault } = await house.fault(
    house.ask(house.subjects.node('p1'), new Uint8Array(Buffer.concat([put, Buffer.of(0xc1)]))),
  )
  t.deepEqual([seq, fault.code], [0, 'protocol.bad-envelope'])
  t.is(((await house.call({ args: ['/a'] })) as ReplyEnvelope).value, null)
})

test('several calls in one message are each answered on its one reply subject', async (t) => {
  const house = await openHouse(t)
  const calls = [
    encodeCall({ ...call, seq: 1, method: 'put', args: ['/a', 'A'] }),
    encodeCall({ ...call, seq: 2 }),
    encodeCall({ ...call, seq: 3, method: 'frobnicate' }),
    encodeCall({ ...call, seq: 4, kind: kinds.send, method: 'put', args: ['/a', 'B'] }),
    encodeCall({ ...call, seq: 5 }),
  ]
  const token = house.ask(house.subjects.node('p1'), new Uint8Array(Buffer.concat(calls)))
  const answers = () => house.answers.filter((answer) => answer.token === token).map(({ envelope }) => envelope)
  await until(() => answers().length === 4, 'the four calls are answered')
  await house.serves(t)
  const outcome = (envelope: Envelope) =>
    envelope.kind === kinds.reply ? envelope.value : (envelope as FaultEnvelope).fault.code
  t.deepEqual(
    new Map(answers().map((envelope) => [(envelope as ReplyEnvelope).seq, outcome(envelope)])),
    new Map<number, unknown>([
      [1, undefined],
      [2, 'A'],
      [3, 'protocol.no-such-method'],
      [5, 'B'],
    ]),
  )
})

test('answers to calls with `together` leave in one message, others each on the reply subject of their own', async (t) => {
  const house = await openHouse(t)
  const subject = house.subjects.node('p1')
  const answered = (seq: number) => house.answers.find(({ envelope }) => (envelope as ReplyEnvelope).seq === seq)
  const tokens = [1, 2, 3, 4].map((seq) => house.ask(subject, encodeCall({ ...call, seq, together: seq % 2 === 1 }))) as [
    string,
    string,
    string,
    string,
  ]
  const unreadable = house.ask(subject, bytesOf('90'))
  await until(() => [0, 1, 2, 3, 4].every((seq) => answered(seq) !== undefined), 'all are answered')
  t.is(answered(1)!.token, tokens[0])
  t.is(answered(3)!.token, tokens[0])
  t.is(answered(2)!.token, tokens[1])
  t.is(answered(4)!.token, tokens[3])
  t.is(answered(0)!.token, unreadable)
})

test('`together` counts for nothing where the reply subject has no inbox of its caller before the last token', async (t) => {
  const house = await openHouse(t)
  const subjects: string[] = []
  for (const inbox of ['_everybodys.*', '_alone-1', '_alone-2']) {
    house.stranger.subscribe(inbox, ({ subject }) => void subjects.push(subject))
  }
  for (const [i, replyTo] of ['_everybodys.1', '_everybodys.2', '_alone-1', '_alone-2'].entries()) {
    house.stranger.publish(house.subjects.node('p1'), encodeCall({ ...call, seq: i + 1, together: true }), replyTo)
  }
  await until(() => subjects.length === 4, 'all are answered')
  t.deepEqual(subjects, ['_everybodys.1', '_everybodys.2', '_alone-1', '_alone-2'])
})

test('calls that can be read and not be done get the fault that says why', async (t) => {
  const house = await openHouse(t)
  const code = async (change: Partial<CallEnvelope>) => {
    const answer = (await house.call({ seq: 9, ...change })) as FaultEnvelope | ReplyEnvelope
    t.is(answer.seq, 9)
    return answer.kind === kinds.fault ? answer.fault.code : 'answered'
  }
  t.is(await code({ method: 'frobnicate' }), 'protocol.no-such-method')
  for (const method of ['constructor', 'toString', '__proto__', 'start', 'stop', 'initial', 'state', '']) {
    t.is(await code({ method }), 'protocol.no-such-method', method)
  }
  t.is(await code({ expects: 'Pages.v2' }), 'protocol.wrong-class')
  t.is(await code({ label: 99 }), 'version.unknown')
  t.is(await code({ label: 2 ** 32 - 1 }), 'version.unknown')
  t.is(await code({ method: 'text', args: [-1] }), 'application.error')
  t.is(await code({ method: 'text', args: [] }), 'answered')
  await house.serves(t)
})

test('a call without time left is neither executed nor answered, and one with too much is', async (t) => {
  const house = await openHouse(t)
  const late = house.ask(house.subjects.node('p1'), encodeCall({ ...call, method: 'put', args: ['/a', 'late'], deadlineMs: 0 }))
  t.is(((await house.call({ deadlineMs: Number.MAX_SAFE_INTEGER })) as ReplyEnvelope).value, null)
  t.true(deadlineMsMax < Number.MAX_SAFE_INTEGER)
  t.false(house.answers.some(({ token }) => token === late))
})

test('a call without a reply address is executed, and not answered; so is a send with one; an event that nobody hears does nothing', async (t) => {
  const house = await openHouse(t)
  house.tell(house.subjects.node('p1'), encodeCall({ ...call, method: 'put', args: ['/a', 'call'] }))
  t.is(((await house.call({})) as ReplyEnvelope).value, 'call')
  const sent = house.ask(
    house.subjects.node('p1'),
    encodeCall({ ...call, kind: kinds.send, method: 'put', args: ['/a', 'send'] }),
  )
  const event = house.ask(
    house.subjects.introduced,
    encodeCall({ ...call, kind: kinds.event, method: 'put', args: ['/b', 'event'] }),
  )
  t.is(((await house.call({})) as ReplyEnvelope).value, 'send')
  t.is(((await house.call({ args: ['/b'] })) as ReplyEnvelope).value, null)
  t.false(house.answers.some(({ token }) => token === sent || token === event))
  t.deepEqual(house.deadLetters, [])
})

test('a reply address that is a node’s own subject starts no conversation of the node with itself', async (t) => {
  const house = await openHouse(t)
  const own = house.subjects.node('p1')
  house.stranger.publish(own, bytesOf('c1'), own)
  await until(() => house.deadLetters.length === 1, 'the node’s fault comes back to it')
  house.stranger.publish(own, encodeCall(call), own)
  await until(() => house.deadLetters.length === 2, 'the node’s reply comes back to it')
  await house.serves(t)
  t.is(house.deadLetters.length, 2)
})

test('arguments and results of almost the transport’s whole payload pass', async (t) => {
  const house = await openHouse(t)
  const html = 'x'.repeat(house.stranger.payloadBytesMax - 200)
  t.is(((await house.call({ method: 'put', args: ['/a', html] })) as ReplyEnvelope).kind, kinds.reply)
  t.is(((await house.call({})) as ReplyEnvelope).value, html)
})

// Dropped, the caller would wait until its deadline, and ask again.
test('a result that is too large for the transport is answered with protocol.too-large', async (t) => {
  const house = await openHouse(t)
  const token = house.ask(
    house.subjects.node('p1'),
    encodeCall({ ...call, method: 'text', args: [house.stranger.payloadBytesMax] }),
  )
  await house.serves(t)
  t.is((await house.fault(token)).fault.code, 'protocol.too-large')
})

test('nonsense among the announcements is a dead letter each, and nonsense for the upgrade server gets a fault', async (t) => {
  const house = await openHouse(t)
  for (const [what, [payload, code]] of Object.entries(malformed)) {
    if (what === 'an announcement') continue
    const before = house.deadLetters.length
    house.tell(house.subjects.announcements, payload)
    await until(() => house.deadLetters.length > before, `${what} is counted`)
    t.is(house.deadLetters.at(-1)!.code as string, code, what)
    t.is((await house.fault(house.ask(house.subjects.server, payload))).fault.code as string, code, what)
  }
  await house.serves(t)
})

// --- Any bytes

/** Whether a node can read a message; if not, it must answer with one fault of seq 0. */
function isReadable(payload: Uint8Array): boolean {
  try {
    return decode(payload).every(({ kind }) => kind === kinds.call || kind === kinds.send)
  } catch {
    return false
  }
}

async function survives(t: ExecutionContext, payloads: readonly Uint8Array[]): Promise<void> {
  const house = await openHouse(t)
  const unreadable = new Set<string>()
  let lost = 0
  for (const [i, payload] of payloads.entries()) {
    const subject = i % 4 < 3 ? house.subjects.node('p1') : house.subjects.service('pages')
    if (i % 2 === 0) {
      const token = house.ask(subject, payload)
      if (!isReadable(payload)) unreadable.add(token)
    } else {
      house.tell(subject, payload)
      if (!isReadable(payload)) lost++
    }
    // A host of its own pace: no queue grows while it is asked.
    if (i % 200 === 199) await house.stranger.flush()
  }
  await house.serves(t)
  t.is(house.unread, lost)
  const faults = new Map(house.answers.map(({ token, envelope }) => [token, envelope]))
  for (const token of unreadable) {
    const answer = faults.get(token)
    t.true(answer?.kind === kinds.fault && answer.seq === 0 && answer.fault.kind === 'protocol', `message ${token}`)
  }
}

test('thousands of messages of random bytes get a fault or are counted, and the node goes on serving', async (t) => {
  await survives(t, fc.sample(fc.uint8Array({ maxLength: 120 }), 3_000))
})

test('thousands of calls with some bytes changed get their answer or are counted, and the node goes on serving', async (t) => {
  const calls = [
    call,
    { ...call, method: 'put', args: ['/a', { deep: [{ er: 1 }], schlüssel: new Uint8Array(9), at: new Date(5) }] },
    { ...call, kind: kinds.send, method: 'put', args: ['/b', 'B'], expects: 'Pages.v1', path: ['a/1/1'], trace: 'x' },
    { ...call, kind: kinds.event, method: 'text', args: [5] },
  ].map((envelope) => new Uint8Array(encodeCall(envelope as CallEnvelope)))
  const change = fc.record({
    at: fc.nat(),
    to: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0xc1, 0xd4, 0xd5, 0xdd, 0xdf, 0x72)),
  })
  const changed = fc
    .tuple(fc.array(fc.constantFrom(...calls), { minLength: 1, maxLength: 3 }), fc.array(change, { maxLength: 3 }))
    .map(([parts, changes]) => {
      const bytes = new Uint8Array(Buffer.concat(parts))
      for (const { at, to } of changes) bytes[at % bytes.length] = to
      return bytes
    })
  await survives(t, fc.sample(changed, 3_000))
})

// --- The caller's side

test('a caller counts answers that can’t be read as dead letters, and still gets the one that can', async (t) => {
  const house = await openHouse(t)
  const { stranger, subjects } = house
  stranger.subscribe(subjects.node('p2'), ({ payload, replyTo }) => {
    const [{ label, seq }] = decode(payload) as [CallEnvelope]
    for (const [what, [nonsense]] of Object.entries(malformed)) {
      if (what !== 'a reply' && what !== 'a fault') stranger.publish(replyTo!, nonsense)
    }
    stranger.publish(replyTo!, encodeReply(label, seq + 1000, 'of another call', replier, 0))
    stranger.publish(replyTo!, encodeReply(label, seq, 'the answer', replier, 0))
    stranger.publish(replyTo!, encodeReply(label, seq, 'again', replier, 0))
  })
  t.is((await house.host.ref(Pages, 'p2').get('/a')) as unknown, 'the answer')
  t.is(house.deadLetters.length, Object.keys(malformed).length - 2)
  await house.serves(t)
})

// A fault with seq 0 is for all calls of the message whose reply subject it arrives on.
test('a caller hears that its message could not be read, rather than nothing until the deadline', async (t) => {
  const house = await openHouse(t)
  house.stranger.subscribe(house.subjects.node('p2'), ({ replyTo }) => {
    house.stranger.publish(
      replyTo!,
      encodeFault(0, 0, new Fault('protocol.format', 'envelope format 1; this host accepts 2'), replier),
    )
  })
  const fault = await house.host
    .ref(Pages, 'p2', { deadline: 5_000 })
    .get('/a')
    .catch((error: unknown) => error)
  t.is(isFault(fault) && fault.code, 'protocol.format')
})

test('a fault about an envelope format can be read by who speaks that format: of a node, its service, and an upgrade server', async (t) => {
  const house = await openHouse(t)
  const server = await startUpgradeServer({ system: house.host.system })
  t.teardown(() => server.stop())
  const formats: number[] = []
  const inbox = house.stranger.newInbox()
  house.stranger.subscribe(inbox, ({ payload }) => void formats.push(payload[1]!))
  const { node, service, server: servers, install } = { ...house.subjects, node: house.subjects.node('p1') }
  for (const subject of [node, service('pages'), servers, install]) house.stranger.publish(subject, whole.with(1, 2), inbox)
  await until(() => formats.length === 4, 'the four messages are answered')
  t.deepEqual(formats, [2, 2, 2, 2])
})

// A host that has dropped our format: what it answers is a fault all the same.
test('a call to a host of another envelope format ends with protocol.format and not at its deadline', async (t) => {
  const house = await openHouse(t)
  const refusal = new Fault('protocol.format', 'envelope format 1; this host accepts 2', { accepts: [2] })
  house.stranger.subscribe(house.subjects.node('p2'), ({ replyTo }) => {
    house.stranger.publish(replyTo!, encodeFault(0, 0, refusal, replier, undefined, 2))
  })
  const error = await house.host
    .ref(Pages, 'p2', { deadline: 5_000 })
    .get('/a')
    .catch((thrown: unknown) => thrown)
  t.true(isFault(error))
  t.deepEqual([(error as Fault).code, (error as Fault).details], ['protocol.format', { accepts: [2] }])
})

// The outgoing that a send began has no reply address.
test('a send and then a call to one node in one turn are both carried out', async (t) => {
  const house = await openHouse(t)
  const sender = house.host.sender(Pages, 'p1', { version: 0 })
  const ref = house.host.ref(Pages, 'p1', { version: 0 })
  sender.put('/a', 'A')
  t.is((await ref.get('/a')) as unknown, 'A')
})

test('a call and then a send to one node in one turn are both carried out', async (t) => {
  const house = await openHouse(t)
  const ref = house.host.ref(Pages, 'p1', { version: 0 })
  const read = ref.get('/a')
  house.host.sender(Pages, 'p1', { version: 0 }).put('/a', 'A')
  t.is((await read) as unknown, null)
  t.is((await ref.get('/a')) as unknown, 'A')
})

// A message that a receiver refuses would take the other calls of its message with it.
test('a call that no node can read harms no other call of the same turn', async (t) => {
  const house = await openHouse(t)
  const bad = house.host.ref(Pages, 'p1', { version: 1.5, deadline: 5_000 }).get('/a')
  const good = house.host.ref(Pages, 'p1', { version: 0, deadline: 5_000 }).get('/a')
  const [refused, read] = await Promise.allSettled([bad, good])
  t.is(refused.status === 'rejected' && isFault(refused.reason) && refused.reason.kind, 'protocol')
  t.deepEqual(read, { status: 'fulfilled', value: null })
})
