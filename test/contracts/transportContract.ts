/**
 * The contract of every adapter of the port `Transport`. Registers its tests with ava under the
 * adapter's name.
 */
import test, { type ExecutionContext } from 'ava'
import type { Message, Transport, TransportStatus } from '../../core/ports/transport.js'
import type { TransportOptions } from '../../transports/factory.js'
import { until } from '../support/eventually.js'
import { codeOf, codeOfNow } from '../support/rejections.js'

export interface TransportUnderTest {
  connect(options?: TransportOptions): Promise<Transport>
  end(): Promise<void>
}

/** One whose connections can be cut and mended, with nobody else's tests on it. */
export interface InterruptibleTransport extends TransportUnderTest {
  cut(): void
  mend(): Promise<void>
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()
export const bytes = (text: string): Uint8Array => encoder.encode(text)
export const textOf = (message: Message): string => decoder.decode(message.payload)

/** Subscribes, and keeps the texts that arrive. */
function listen(transport: Transport, subject: string, options?: { readonly queue?: string }) {
  const texts: string[] = []
  const subscription = transport.subscribe(subject, (message) => void texts.push(textOf(message)), options)
  return { texts, subscription }
}

/**
 * Waits until everything that `from` published before has been delivered to `to`: one more
 * message, behind the others.
 */
async function barrier(from: Transport, to: Transport): Promise<void> {
  const subject = from.newInbox()
  const { texts, subscription } = listen(to, subject)
  await to.flush()
  from.publish(subject, bytes('barrier'))
  await until(() => texts.length === 1, 'the message behind the others has arrived')
  subscription.unsubscribe()
}

let subjects = 0
const newSubject = (): string => `contract.${++subjects}`

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i))

export function transportContract(name: string, open: () => Promise<TransportUnderTest>): void {
  let world: TransportUnderTest
  test.before(`${name}: starts`, async () => {
    world = await open()
  })
  test.after.always(`${name}: ends`, () => world?.end())

  async function connect(t: ExecutionContext, options?: TransportOptions): Promise<Transport> {
    const transport = await world.connect(options)
    t.teardown(() => transport.close())
    return transport
  }

  test(`${name}: a message reaches who subscribed to its subject, with its bytes and reply subject`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const subject = newSubject()
    const messages: Message[] = []
    b.subscribe(subject, (message) => void messages.push(message))
    await b.flush()
    a.publish(subject, new Uint8Array([0, 255, 13, 10, 128]), 'an.answer')
    a.publish(subject, new Uint8Array(0))
    await until(() => messages.length === 2, 'both messages have arrived')
    const [first, second] = messages as [Message, Message]
    t.deepEqual([...first.payload], [0, 255, 13, 10, 128])
    t.deepEqual([first.subject, first.replyTo, first.noResponders], [subject, 'an.answer', false])
    t.is(second.payload.length, 0)
    t.deepEqual([second.subject, second.replyTo, second.noResponders], [subject, undefined, false])
  })

  test(`${name}: a connection hears its own messages`, async (t) => {
    const a = await connect(t)
    const subject = newSubject()
    const { texts } = listen(a, subject)
    a.publish(subject, bytes('to myself'))
    await until(() => texts.length === 1, 'the message has arrived')
    t.deepEqual(texts, ['to myself'])
  })

  test(`${name}: messages of one publisher arrive in the order they were published, whatever their subjects`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const subject = newSubject()
    const { texts } = listen(b, `${subject}.*`)
    await b.flush()
    for (const number of numbers(5_000)) a.publish(`${subject}.${Number(number) % 7}`, bytes(number))
    await until(() => texts.length === 5_000, 'all messages have arrived')
    t.deepEqual(texts, numbers(5_000))
  })

  test(`${name}: * stands for one token and > for the rest`, async (t) => {
    const a = await connect(t)
    const root = newSubject()
    const heard = {
      exact: listen(a, `${root}.a.b`).texts,
      last: listen(a, `${root}.a.*`).texts,
      middle: listen(a, `${root}.*.b`).texts,
      rest: listen(a, `${root}.>`).texts,
      deep: listen(a, `${root}.*.*.>`).texts,
    }
    for (const tail of ['', '.a', '.a.b', '.a.c', '.x.b', '.a.b.c']) a.publish(root + tail, bytes(tail))
    await barrier(a, a)
    t.deepEqual(heard, {
      exact: ['.a.b'],
      last: ['.a.b', '.a.c'],
      middle: ['.a.b', '.x.b'],
      rest: ['.a', '.a.b', '.a.c', '.x.b', '.a.b.c'],
      deep: ['.a.b.c'],
    })
  })

  test(`${name}: a message on a wildcard subscription tells its own subject`, async (t) => {
    const a = await connect(t)
    const root = newSubject()
    const heard: string[] = []
    a.subscribe(`${root}.*`, (message) => void heard.push(message.subject))
    a.publish(`${root}.one`, bytes(''))
    a.publish(`${root}.two`, bytes(''))
    await barrier(a, a)
    t.deepEqual(heard, [`${root}.one`, `${root}.two`])
  })

  test(`${name}: each message reaches one member of a queue group, and everybody outside of it`, async (t) => {
    const [a, b, c] = [await connect(t), await connect(t), await connect(t)]
    const subject = newSubject()
    const members = [listen(b, subject, { queue: 'q' }), listen(c, subject, { queue: 'q' }), listen(c, subject, { queue: 'q' })]
    const other = listen(b, subject, { queue: 'other' })
    const outside = listen(c, subject)
    await b.flush()
    await c.flush()
    for (const number of numbers(300)) a.publish(subject, bytes(number))
    await barrier(a, b)
    await barrier(a, c)
    const byMembers = members.flatMap(({ texts }) => texts).sort((x, y) => Number(x) - Number(y))
    t.deepEqual(byMembers, numbers(300))
    t.true(
      members.every(({ texts }) => texts.length > 0),
      'the load is shared',
    )
    t.deepEqual(other.texts, numbers(300))
    t.deepEqual(outside.texts, numbers(300))
  })

  test(`${name}: after unsubscribe nothing is delivered, not even what is on its way`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const subject = newSubject()
    const texts: string[] = []
    const subscription = b.subscribe(subject, (message) => {
      texts.push(textOf(message))
      if (texts.length === 10) subscription.unsubscribe()
    })
    await b.flush()
    for (const number of numbers(100)) a.publish(subject, bytes(number))
    await barrier(a, b)
    a.publish(subject, bytes('later'))
    await barrier(a, b)
    t.deepEqual(texts, numbers(10))
    t.notThrows(() => subscription.unsubscribe(), 'a second time does nothing')
  })

  test(`${name}: drain delivers what is on its way to the subscription, and nothing after it`, async (t) => {
    const a = await connect(t)
    const subject = newSubject()
    const { texts, subscription } = listen(a, subject)
    for (const number of numbers(100)) a.publish(subject, bytes(number))
    await subscription.drain()
    t.deepEqual(texts, numbers(100))
    a.publish(subject, bytes('later'))
    await barrier(a, a)
    t.deepEqual(texts, numbers(100))
    await t.notThrowsAsync(subscription.drain(), 'a second time does nothing')
  })

  test(`${name}: a queue group loses nothing when a member drains`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const subject = newSubject()
    const leaving = listen(b, subject, { queue: 'q' })
    const staying = listen(b, subject, { queue: 'q' })
    await b.flush()
    let drained: Promise<void> | undefined
    for (const number of numbers(500)) {
      a.publish(subject, bytes(number))
      if (number === '250') drained = leaving.subscription.drain()
    }
    await drained
    await barrier(a, b)
    t.is(leaving.texts.length + staying.texts.length, 500)
  })

  test(`${name}: unsubscribe ends a drain`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const subject = newSubject()
    const { texts, subscription } = listen(b, subject)
    await b.flush()
    a.publish(subject, bytes('on its way'))
    const drained = subscription.drain()
    subscription.unsubscribe()
    await drained
    await barrier(a, b)
    t.deepEqual(texts, [])
  })

  test(`${name}: answers arrive on the reply subject`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const subject = newSubject()
    const inbox = a.newInbox()
    const answers: string[] = []
    a.subscribe(`${inbox}.*`, (message) => void answers.push(`${message.subject.slice(inbox.length)} ${textOf(message)}`))
    b.subscribe(subject, (message) => b.publish(message.replyTo!, bytes(`${textOf(message)}!`)))
    await b.flush()
    a.publish(subject, bytes('hello'), `${inbox}.1`)
    a.publish(subject, bytes('again'), `${inbox}.2`)
    await until(() => answers.length === 2, 'both answers have arrived')
    t.deepEqual(answers, ['.1 hello!', '.2 again!'])
  })

  test(`${name}: no two inboxes are the same`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const inboxes = [a, b].flatMap((transport) => numbers(500).map(() => transport.newInbox()))
    t.is(new Set(inboxes).size, 1_000)
  })

  test(`${name}: a message with a reply subject that nobody listens to is answered with no-responders`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const inbox = a.newInbox()
    const [mine, notMine]: [Message[], Message[]] = [[], []]
    b.subscribe(`${inbox}.*`, (message) => void notMine.push(message))
    await b.flush()
    a.subscribe(`${inbox}.*`, (message) => void mine.push(message))
    a.publish(newSubject(), bytes('anybody?'), `${inbox}.7`)
    a.publish(newSubject(), bytes('no reply subject, no answer'))
    await until(() => mine.length > 0, 'the answer has arrived')
    await barrier(a, b)
    t.deepEqual(
      mine.map(({ subject, noResponders, payload, replyTo }) => [subject, noResponders, payload.length, replyTo]),
      [[`${inbox}.7`, true, 0, undefined]],
    )
    t.deepEqual(notMine, [], 'it goes to the publisher alone')
  })

  test(`${name}: the last member that leaves a queue group leaves nobody to answer`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const subject = newSubject()
    const inbox = a.newInbox()
    const answers: boolean[] = []
    a.subscribe(inbox, (message) => void answers.push(message.noResponders))
    const { subscription } = listen(b, subject, { queue: 'q' })
    await b.flush()
    subscription.unsubscribe()
    await b.flush()
    a.publish(subject, bytes('anybody?'), inbox)
    await until(() => answers.length === 1, 'the answer has arrived')
    t.deepEqual(answers, [true])
  })

  test(`${name}: a payload of payloadBytesMax arrives, a larger one is refused and does no harm`, async (t) => {
    const a = await connect(t)
    const subject = newSubject()
    const sizes: number[] = []
    a.subscribe(subject, (message) => void sizes.push(message.payload.length))
    t.is(
      codeOfNow(() => a.publish(subject, new Uint8Array(a.payloadBytesMax + 1))),
      'protocol.too-large',
    )
    a.publish(subject, new Uint8Array(a.payloadBytesMax))
    await until(() => sizes.length === 1, 'the largest payload has arrived')
    t.deepEqual(sizes, [a.payloadBytesMax])
    t.is(a.status, 'connected')
  })

  test(`${name}: after subscribe and flush, what another connection publishes arrives`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    for (const _ of numbers(50)) {
      const subject = newSubject()
      const { texts } = listen(a, subject)
      await a.flush()
      b.publish(subject, bytes('now'))
      await until(() => texts.length > 0, 'the message has arrived')
      t.deepEqual(texts, ['now'])
    }
  })

  test(`${name}: a handler that throws is reported and disturbs nobody`, async (t) => {
    const errors: unknown[] = []
    const a = await connect(t, { onError: (error) => errors.push((error as Error).message) })
    const subject = newSubject()
    const texts: string[] = []
    a.subscribe(subject, (message) => {
      if (textOf(message) === '1') throw new Error('no ones')
      texts.push(textOf(message))
    })
    for (const number of numbers(4)) a.publish(subject, bytes(number))
    await until(() => texts.length === 3, 'the other messages have arrived')
    t.deepEqual(texts, ['0', '2', '3'])
    t.deepEqual(errors, ['no ones'])
  })

  test(`${name}: an onError that throws disturbs nobody either`, async (t) => {
    const warning = new Promise((resolve) => process.once('warning', resolve))
    const a = await connect(t, {
      onError: () => {
        throw new Error('worse')
      },
    })
    const subject = newSubject()
    let calls = 0
    a.subscribe(subject, () => {
      calls++
      throw new Error('bad')
    })
    a.publish(subject, bytes('1'))
    a.publish(subject, bytes('2'))
    await until(() => calls === 2, 'both messages have arrived')
    t.is(((await warning) as Error).name, 'TransportWarning')
  })

  test(`${name}: close delivers what was published, and is told`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const subject = newSubject()
    const statuses: TransportStatus[] = []
    a.onStatus((status) => statuses.push(status))
    const { texts } = listen(b, subject)
    await b.flush()
    for (const number of numbers(1_000)) a.publish(subject, bytes(number))
    await Promise.all([a.close(), a.close()])
    await until(() => texts.length === 1_000, 'all messages have arrived')
    t.is(a.status, 'closed')
    t.deepEqual(statuses, ['closed'])
  })

  test(`${name}: a closed connection takes and hears nothing more`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const subject = newSubject()
    const { texts, subscription } = listen(a, subject)
    await a.flush()
    await a.close()
    b.publish(subject, bytes('too late'))
    await b.flush()
    t.is(
      codeOfNow(() => a.publish(subject, bytes('x'))),
      'unavailable.disconnected',
    )
    t.is(
      codeOfNow(() => a.subscribe(subject, () => {})),
      'unavailable.disconnected',
    )
    t.is(await codeOf(a.flush()), 'unavailable.disconnected')
    t.notThrows(() => subscription.unsubscribe())
    await t.notThrowsAsync(subscription.drain())
    t.deepEqual(texts, [])
  })

  test(`${name}: a call that is answered while its node closes is answered`, async (t) => {
    const [a, b] = [await connect(t), await connect(t)]
    const subject = newSubject()
    const inbox = a.newInbox()
    const { texts } = listen(a, inbox)
    b.subscribe(subject, (message) => b.publish(message.replyTo!, bytes('done')))
    await b.flush()
    a.publish(subject, bytes('call'), inbox)
    await a.flush()
    await b.close()
    await until(() => texts.length === 1, 'the answer has arrived')
    t.deepEqual(texts, ['done'])
  })
}

export function interruptibleTransportContract(name: string, open: () => Promise<InterruptibleTransport>): void {
  async function setUp(
    t: ExecutionContext,
  ): Promise<{ world: InterruptibleTransport; a: Transport; statuses: TransportStatus[] }> {
    const world = await open()
    t.teardown(() => world.end())
    const a = await world.connect()
    t.teardown(() => a.close())
    const statuses: TransportStatus[] = []
    a.onStatus((status) => statuses.push(status))
    return { world, a, statuses }
  }

  async function cut(world: InterruptibleTransport, ...transports: readonly Transport[]): Promise<void> {
    world.cut()
    await until(() => transports.every(({ status }) => status === 'disconnected'), 'the cut is noticed')
  }

  async function mend(world: InterruptibleTransport, ...transports: readonly Transport[]): Promise<void> {
    await world.mend()
    await until(() => transports.every(({ status }) => status === 'connected'), 'the connections are back')
  }

  test(`${name}: while away, publish and flush are refused and nothing is kept for later`, async (t) => {
    const { world, a, statuses } = await setUp(t)
    const subject = newSubject()
    const { texts } = listen(a, subject)
    await a.flush()
    await cut(world, a)
    for (const number of numbers(3)) {
      t.is(
        codeOfNow(() => a.publish(subject, bytes(number))),
        'unavailable.disconnected',
      )
    }
    t.is(await codeOf(a.flush()), 'unavailable.disconnected')
    t.true(a.payloadBytesMax > 0)
    await mend(world, a)
    a.publish(subject, bytes('back'))
    await until(() => texts.length > 0, 'a message has arrived')
    t.deepEqual(texts, ['back'])
    t.deepEqual(statuses, ['disconnected', 'connected'])
  })

  test(`${name}: subscriptions made before and during an absence hear messages after it`, async (t) => {
    const { world, a } = await setUp(t)
    const b = await world.connect()
    t.teardown(() => b.close())
    const root = newSubject()
    const heard = [listen(a, `${root}.before`), listen(a, `${root}.group`, { queue: 'q' })]
    await a.flush()
    await cut(world, a, b)
    heard.push(listen(a, `${root}.during`))
    const gone = listen(a, `${root}.during`)
    gone.subscription.unsubscribe()
    await mend(world, a, b)
    await a.flush()
    for (const last of ['before', 'group', 'during']) b.publish(`${root}.${last}`, bytes(last))
    await barrier(b, a)
    t.deepEqual(
      heard.map(({ texts }) => texts),
      [['before'], ['group'], ['during']],
    )
    t.deepEqual(gone.texts, [])
  })

  test(`${name}: a flush that waits when the connection is cut is rejected`, async (t) => {
    const { world, a } = await setUp(t)
    world.cut()
    t.is(await codeOf(a.flush()), 'unavailable.disconnected')
  })

  test(`${name}: a drain that waits when the connection is cut is done, and one while away too`, async (t) => {
    const { world, a } = await setUp(t)
    const subject = newSubject()
    const first = listen(a, subject)
    const second = listen(a, subject)
    await a.flush()
    a.publish(subject, bytes('lost'))
    world.cut()
    await first.subscription.drain()
    await until(() => a.status === 'disconnected', 'the cut is noticed')
    await second.subscription.drain()
    await mend(world, a)
    a.publish(subject, bytes('later'))
    await barrier(a, a)
    t.false([...first.texts, ...second.texts].includes('later'))
  })

  test(`${name}: a connection can be closed while away, and stays closed`, async (t) => {
    const { world, a, statuses } = await setUp(t)
    await cut(world, a)
    await a.close()
    await world.mend()
    const b = await world.connect()
    await b.flush()
    await b.close()
    t.is(a.status, 'closed')
    t.deepEqual(statuses, ['disconnected', 'closed'])
  })

  test(`${name}: a connection survives being cut again and again`, async (t) => {
    const { world, a } = await setUp(t)
    const subject = newSubject()
    const { texts } = listen(a, subject)
    for (const number of numbers(3)) {
      await cut(world, a)
      await mend(world, a)
      a.publish(subject, bytes(number))
      await a.flush()
    }
    await until(() => texts.length === 3, 'all messages have arrived')
    t.deepEqual(texts, numbers(3))
  })
}

/** One whose other side refuses subscriptions when it is told to. */
export interface RefusingTransport extends InterruptibleTransport {
  /** From now on these subjects are refused, and no others. */
  deny(subjects: readonly string[]): void
}

export function refusingTransportContract(name: string, open: () => Promise<RefusingTransport>): void {
  async function setUp(t: ExecutionContext) {
    const world = await open()
    t.teardown(() => world.end())
    const errors: string[] = []
    const a = await world.connect({ onError: (error) => errors.push((error as Error).message) })
    t.teardown(() => a.close())
    return { world, a, errors }
  }

  /** Publishes until something arrives. */
  const hears = (transport: Transport, subject: string, texts: readonly string[]) =>
    until(() => {
      transport.publish(subject, bytes('again'))
      return texts.length > 0
    }, `${subject} is heard`)

  for (const options of [{}, { queue: 'q' }]) {
    const what = 'queue' in options ? 'a queue group' : 'a subscription'
    test(`${name}: ${what} that is refused, taken away or refused after a reconnect is granted again once it may be`, async (t) => {
      const { world, a } = await setUp(t)
      const subject = newSubject()
      world.deny([subject])
      const { texts } = listen(a, subject, options)
      await until(async () => {
        await a.flush()
        return a.refused.length > 0
      }, 'it is refused')
      t.deepEqual(a.refused, [subject])
      a.publish(subject, bytes('to nobody'))
      world.deny([])
      await hears(a, subject, texts)
      await until(() => a.refused.length === 0, 'it is granted')
      t.deepEqual([...new Set(texts)], ['again'])
      world.deny([subject])
      await until(() => a.refused.length === 1, 'it is taken away')
      world.cut()
      await until(() => a.status === 'disconnected', 'the cut is noticed')
      await world.mend()
      await until(() => a.status === 'connected', 'the connection is back')
      await a.flush()
      t.deepEqual(a.refused, [subject])
      world.deny([])
      await until(() => a.refused.length === 0, 'it is granted')
      texts.length = 0
      await hears(a, subject, texts)
      // Nothing is heard twice by a subscription that was there before.
      await barrier(a, a)
      texts.length = 0
      a.publish(subject, bytes('once'))
      await barrier(a, a)
      t.deepEqual(texts, ['once'])
    })
  }

  test(`${name}: a refused subscription that nobody wants any more is not asked for again; an optional one is not told of`, async (t) => {
    const { world, a } = await setUp(t)
    const [gone, drained, optional] = [newSubject(), newSubject(), newSubject()]
    world.deny([gone, drained, optional])
    const one = listen(a, gone)
    const two = listen(a, drained)
    a.subscribe(optional, () => {}, { isOptional: true })
    await until(async () => {
      await a.flush()
      return a.refused.length === 2
    }, 'they are refused')
    one.subscription.unsubscribe()
    await two.subscription.drain()
    t.deepEqual(a.refused, [])
    world.deny([])
    const third = listen(a, optional)
    await hears(a, optional, third.texts)
    for (const subject of [gone, drained]) a.publish(subject, bytes('late'))
    await barrier(a, a)
    t.deepEqual([...one.texts, ...two.texts], [])
  })
}
