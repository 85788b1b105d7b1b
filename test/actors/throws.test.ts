/** User code throws anything. Its caller hears of it as a fault, and the node goes on. */
import test from 'ava'
import { Observers } from '../../actors/base/observers.js'
import { Mailbox } from '../../actors/serving/mailbox.js'
import type { HostEvent, HostObserver } from '../../core/inspection/hostEvents.js'
import { applicationFault, command, event as eventOf, type Fault, hears, NodeObject, query } from '../../index.js'
import { until } from '../support/eventually.js'
import { ManualClock } from '../support/manualClock.js'
import { TestSystem } from '../support/testSystem.js'
import { ownerOf } from './mailboxOwner.js'

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function throwing(name: string, target: object = new Error('x')): object {
  return Object.defineProperty(target, name, {
    get() {
      throw new Error(`${name} can't be read`)
    },
  })
}

function branded(fields: object): object {
  return Object.assign(new Error('x'), { [Symbol.for('theseus.fault')]: true }, fields)
}

function cyclic(): object {
  const one: Record<string, unknown> = { message: 'a cycle' }
  one.cause = one
  return one
}

const things: Record<string, () => unknown> = {
  'a text': () => 'text',
  undefined: () => undefined,
  null: () => null,
  'a symbol': () => Symbol('x'),
  'a bigint': () => 10n,
  'a function': () => () => {},
  'half a surrogate pair': () => new Error('\ud800'),
  'an object without a prototype': () => Object.create(null),
  'an object whose toString throws': () => throwing('toString', {}),
  'an error whose message is an object': () => Object.assign(new Error('x'), { message: { reason: 'text' } }),
  'an error whose message throws': () => throwing('message'),
  'an error whose name throws': () => throwing('name'),
  'a frozen error': () => Object.freeze(new Error('x')),
  'a cycle': cyclic,
  'a promise that rejects': () => Promise.reject(new Error('thrown, and not awaited')),
  'an error of 2 MB': () => new Error('x'.repeat(2 << 20)),
  'a proxy that is revoked': revoked,
  'a proxy whose traps throw': () =>
    new Proxy(
      {},
      {
        get: () => null!,
        getPrototypeOf: () => {
          throw new Error('no')
        },
      },
    ),
  'a fault with details of 2 MB': () => applicationFault('big', 'm', { text: 'x'.repeat(2 << 20) }),
  'a fault with details that throw': () => applicationFault('odd', 'm', throwing('x', {}) as never),
  'a fault whose details can’t be read': () => branded({ code: 'application.x', retryable: false, details: revoked() }),
  'a fault whose code throws': () => throwing('code', branded({})),
  'a fault whose code is none': () => branded({ code: 7, details: 1 }),
  'a fault with a code of 2 MB': () => applicationFault('x'.repeat(2 << 20), 'm'),
  'a fault whose brand throws': () => throwing(Symbol.for('theseus.fault') as never),
  'a fault that says it may be tried again': () => branded({ code: 'application.x', retryable: true, details: {} }),
  'a fault of a kind that nobody knows': () => branded({ code: 'newer.x', retryable: true, details: {} }),
}

const told = eventOf<[what: string]>('told')

class Thrower extends NodeObject<{ n: number; heard: number }> {
  static override readonly className = 'Thrower.v1'
  static override readonly publishes = [told]
  static override initial() {
    return { n: 0, heard: 0 }
  }

  @command sync(what: string): void {
    throw things[what]!()
  }

  @command async later(what: string): Promise<void> {
    await null
    throw things[what]!()
  }

  @command wrote(what: string): void {
    this.state.n++
    throw things[what]!()
  }

  @query look(what: string): void {
    throw things[what]!()
  }

  @query async lookLater(what: string): Promise<void> {
    throw things[what]!()
  }

  @command timer(what: string): void {
    this.after(0, 'sync', what)
  }

  @hears(told) hear(what: string): void {
    throw things[what]!()
  }

  @command tell(what: string): void {
    this.publish(told, what)
  }

  @query n(): number {
    return this.state.n
  }
}

for (const [what] of Object.entries(things)) {
  test(`a method throws ${what}: its caller gets a fault, and the node answers on`, async (t) => {
    const system = await TestSystem.start(t)
    const host = await system.host('h1')
    await host.node(Thrower, 'x')
    const ref = system.desk.ref(Thrower, 'x', { version: 0, deadline: '10s' })
    for (const method of ['sync', 'later', 'wrote', 'look', 'lookLater'] as const) {
      const fault = await t.throwsAsync<Fault>(ref[method](what))
      t.regex(fault!.code, /^application\./, method)
      t.false(fault!.retryable, method)
      t.is(await ref.n(), 0, method)
    }
    // Nobody waits for these; the node goes on.
    await ref.timer(what)
    await ref.tell(what)
    await until(async () => (await system.desk.ref(Thrower, 'x', { version: 0 }).n()) === 0, 'the node answers')
  })
}

test('a fault that is too large to be sent arrives shortened, with its code, the beginning of its message and what is short of its details', async (t) => {
  class Large extends NodeObject {
    static override readonly className = 'Large.v1'
    @query one(): void {
      throw applicationFault('large', 'm'.repeat(2 << 20), { sku: 'a1', left: 0, text: 'x'.repeat(2 << 20) })
    }
    @query small(): void {
      throw applicationFault('small', 'whole', { list: [1, 2] })
    }
  }
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Large, 'l')
  const ref = system.desk.ref(Large, 'l', { version: 0, deadline: '10s' })
  const [large, small, other] = await Promise.allSettled([ref.one(), ref.small(), ref.one()])
  const { code, message, details } = (large as PromiseRejectedResult).reason as Fault
  t.is(code, 'application.large')
  t.true(message.startsWith('mmm') && message.length < 2_000)
  t.deepEqual(details, { sku: 'a1', left: 0, shortened: true })
  t.deepEqual(((small as PromiseRejectedResult).reason as Fault).details, { list: [1, 2] })
  t.is(((other as PromiseRejectedResult).reason as Fault).code, 'application.large')
})

test('C4: a fault of a nested call is not passed on as one of the call that made it, whatever it says', async (t) => {
  class Inner extends NodeObject {
    static override readonly className = 'Inner.v1'
    @command fail(): void {
      throw branded({ code: 'protocol.newer', retryable: true, details: {} })
    }
  }
  class Outer extends NodeObject<{ n: number }> {
    static override readonly className = 'Outer.v1'
    static override readonly calls = [Inner]
    static override initial() {
      return { n: 0 }
    }
    @command async run(): Promise<void> {
      runs++
      await this.ref(Inner, 'inner').fail()
    }
    @command async nobody(): Promise<void> {
      runs++
      await this.ref(Inner, 'nobody').fail()
    }
  }
  let runs = 0
  const system = await TestSystem.start(t, { callDeadlineMs: 300 })
  const host = await system.host('h1')
  await host.node(Inner, 'inner')
  await host.node(Outer, 'outer')
  const ref = system.desk.ref(Outer, 'outer', { version: 0, deadline: '10s' })
  for (const method of ['run', 'nobody'] as const) {
    runs = 0
    const fault = await t.throwsAsync<Fault>(ref[method]())
    t.is(fault!.code, 'application.error')
    t.false(fault!.retryable)
    t.is(runs, 1, 'what ran is not sent again')
  }
})

test('a mailbox survives what a turn throws, and a promise that rejects', async (t) => {
  const thrown: unknown[] = []
  const mailbox = new Mailbox(
    new ManualClock(0),
    10,
    ownerOf((error) => {
      thrown.push(error)
      throw new Error('and who hears of it throws too')
    }),
  )
  const ran: string[] = []
  mailbox.open()
  mailbox.post({
    run() {
      ran.push('throws')
      throw 'at once'
    },
  })
  mailbox.post({
    run() {
      ran.push('rejects')
      return Promise.reject('later')
    },
  })
  mailbox.post({ run: () => void ran.push('next') })
  await mailbox.whenIdle()
  t.deepEqual(ran, ['throws', 'rejects', 'next'])
  t.deepEqual(thrown, ['at once', 'later'])
})

test('an observer may be an async function that rejects: that is its own affair', async (t) => {
  const observers = new Observers()
  const told: string[] = []
  observers.add((async ({ type }: HostEvent) => {
    told.push(type)
    throw new Error('of the observer')
  }) as HostObserver)
  observers.notify({ type: 'learned', version: 1 })
  // A rejection that nobody handles would end this process.
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(told, ['learned'])
})

test('what fails for user code that nobody waits for names its node: such a rejection ends the process', async (t) => {
  const failures: string[] = []
  class Careless extends NodeObject<{ n: number }, { c: number }> {
    static override readonly className = 'Careless.v1'
    static override initial() {
      return { n: 0 }
    }
    @command run(): void {
      const ended = (error: Fault) => void failures.push(`${error.code}: ${error.message}`)
      this.ref(Careless, 'nobody').run().then(undefined, ended)
      setImmediate(() => {
        for (const late of [() => this.collection('c').put('k', 1), () => this.ref(Careless, 'x').run()])
          void Promise.resolve().then(late).catch(ended)
      })
    }
  }
  const system = await TestSystem.start(t, { callDeadlineMs: 300 })
  const host = await system.host('h1')
  const node = await host.node(Careless, 'careless')
  await system.desk.ref(Careless, 'careless', { version: 0, deadline: '10s' }).run()
  await until(() => failures.length === 3, 'all have failed')
  t.true(
    failures.every((text) => text.includes('node careless')),
    failures.join('\n'),
  )
  t.is(node.version, 0)
  // Its own caller is no node.
  const fault = await t.throwsAsync<Fault>(system.desk.ref(Careless, 'gone', { version: 0, deadline: 200 }).run())
  t.false(fault!.message.includes('called by'))
})
