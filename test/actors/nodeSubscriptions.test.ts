/** Where a node listens, and which events it has received before. */
import test from 'ava'
import { NodeSubscriptions } from '../../actors/serving/nodeSubscriptions.js'
import type { ObjectChain } from '../../core/model/objectChain.js'
import type { Message } from '../../core/ports/transport.js'

function open(introduced = new Set<string>(), newest = 3, draining: Promise<unknown> = Promise.resolve()) {
  const log: string[] = []
  const received: unknown[] = []
  const handlers = new Map<string, (message: Message) => void>()
  const services = {
    settings: { system: 'shop' },
    history: { newest, wasIntroduced: (event: string, label: number) => introduced.has(`${event} ${label}`) },
    transport: {
      subscribe(subject: string, handler: (message: Message) => void, options?: { readonly queue: string }) {
        log.push(`subscribes ${subject}${options === undefined ? '' : ` in ${options.queue}`}`)
        handlers.set(subject, handler)
        return {
          drain: () => draining.then(() => void log.push(`drains ${subject}`)),
          unsubscribe: () => void log.push(`leaves ${subject}`),
        }
      },
    },
    events: {
      hear: (_: unknown, events: ReadonlySet<string>) => void log.push(`hears ${[...events].join(' ')}`),
      attend: () => void log.push('attends'),
      leave: () => void log.push('hears nothing'),
    },
  }
  const node = { id: 'n1', service: 'notes', receive: (message: unknown) => void received.push(message) }
  const subscriptions = new NodeSubscriptions(services as never, node as never)
  return { subscriptions, handlers, received, done: () => log.splice(0) }
}

const chain = {
  links: [{ hears: new Map([['opened', 1]]) }, { hears: new Map(['opened', 'closed'].map((name) => [name, 1])) }],
} as unknown as ObjectChain

test('a node listens for calls to itself and to its service, once each, and for the events of its chain', async (t) => {
  const { subscriptions, handlers, received, done } = open()
  const [own, service] = ['theseus.shop.node.n1', 'theseus.shop.service.notes']
  for (let i = 0; i < 2; i++) subscriptions.open()
  t.deepEqual(done(), [`subscribes ${own}`, 'attends', 'attends'])
  for (let i = 0; i < 2; i++) subscriptions.joinService()
  const [joined, ...more] = done()
  t.regex(joined!, new RegExp(`^subscribes ${service} in \\w+$`))
  t.deepEqual(more, [])
  for (const [, handler] of handlers) handler({ subject: 'x' } as Message)
  t.is(received.length, 2)
  subscriptions.hear(chain)
  t.deepEqual(done(), ['hears opened closed'])
  t.deepEqual(subscriptions.subjects(undefined), [own, service])
  t.deepEqual(
    subscriptions.subjects(chain).map((subject) => subject.split('.').slice(2).join('.')),
    ['node.n1', 'service.notes', 'event.opened', 'event.closed'],
  )
})

test('a node leaves its service when the calls on their way have come, and may join it again', async (t) => {
  const { subscriptions, done } = open()
  await subscriptions.leaveService()
  await subscriptions.drain()
  subscriptions.close()
  t.deepEqual(done(), [], 'it has not listened yet')
  subscriptions.open()
  subscriptions.joinService()
  done()
  await subscriptions.leaveService()
  t.deepEqual(done(), ['drains theseus.shop.service.notes'])
  await subscriptions.leaveService()
  t.deepEqual(done(), [])
  subscriptions.joinService()
  t.is(done().length, 1)
  subscriptions.hearNothing()
  await subscriptions.drain()
  subscriptions.close()
  t.deepEqual(done(), ['hears nothing', 'drains theseus.shop.node.n1', 'leaves theseus.shop.node.n1'])
})

test('an event that may come twice is carried out once for each publisher; another is never taken for a repeated one', (t) => {
  const { subscriptions } = open(new Set(['opened 2']), 3)
  const event = (method: string, label: number, id: string, name: string | null = null) =>
    subscriptions.isRepeated({ envelope: { method, label }, caller: { name }, id } as never)
  t.deepEqual([event('closed', 2, 'a'), event('closed', 2, 'a')], [false, false], 'no upgrade has brought it')
  t.deepEqual([event('closed', 3, 'a'), event('closed', 3, 'a')], [false, false], 'of the newest version it is known')
  t.deepEqual([event('opened', 2, 'a'), event('opened', 2, 'a')], [false, true])
  t.deepEqual([event('opened', 2, 'a', 'ann'), event('opened', 2, 'a', 'ann')], [false, true], 'somebody else’s')
  t.deepEqual([event('opened', 2, 'c'), event('opened', 2, 'c', 'null')], [false, false], 'a name is not the lack of one')
  t.deepEqual([event('closed', 4, 'b'), event('closed', 4, 'b')], [false, true], 'its version is not known yet')
})

test('a node has left its service, or has ended, when what was on its way has come', async (t) => {
  for (const end of ['leaveService', 'drain'] as const) {
    const held = Promise.withResolvers<void>()
    const { subscriptions, done } = open(undefined, undefined, held.promise)
    subscriptions.open()
    subscriptions.joinService()
    done()
    const ending = subscriptions[end]().then(() => done())
    held.resolve()
    t.deepEqual(await ending, [end === 'drain' ? 'drains theseus.shop.node.n1' : 'drains theseus.shop.service.notes'])
  }
})
