/** A promise is whatever `await` waits for, wherever user code may answer with one. */
import test from 'ava'
import {
  allOf,
  andThen,
  anyOf,
  command,
  defineUpgrade,
  event as eventOf,
  hears,
  NodeObject,
  none,
  notNeeded,
  pastSO,
  query,
  schedule,
  upgradeClass,
  within,
} from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

type Then<T> = (resolve: (value: T) => void, reject: (error: unknown) => void) => void

function withThen<T>(target: object, then: Then<T>): Promise<T> {
  return Object.defineProperty(target, 'then', { value: then }) as never
}

/** Calls back later, and is no promise: `then` returns nothing, and may be asked once. */
function thenable<T>(work: () => T): Promise<T> {
  let asked = 0
  return withThen({}, (resolve, reject) => {
    if (++asked > 1) reject(new Error('asked again'))
    setImmediate(() => setImmediate(() => resolve(work())))
  })
}

const forms: Record<string, <T>(work: () => T) => Promise<T>> = {
  'a foreign thenable': thenable,
  'a function with a method then': (work) =>
    withThen(
      () => {},
      (resolve, reject) => void thenable(work).then(resolve, reject),
    ),
  'a promise whose own then does nothing': (work) => withThen(Promise.resolve(thenable(work)), () => {}),
  'a promise of a class of its own': (work) =>
    new (class extends Promise<never> {})((resolve) => resolve(thenable(work) as never)),
}

let running = 0
let most = 0

function alone<T>(work: () => T): () => T {
  most = Math.max(most, ++running)
  return () => {
    running--
    return work()
  }
}

const rung = eventOf<[]>('rung')

class Slow extends NodeObject<{ n: number }> {
  static override readonly className: string = 'Slow.v1'
  static override readonly publishes = [rung]
  static override initial() {
    return { n: 0 }
  }
  @command add(form: string): Promise<number> {
    const { n } = this.state
    return forms[form]!(
      alone(() => {
        this.state.n = n + 1
        return this.state.n
      }),
    )
  }
  @command ring(): void {
    this.publish(rung)
  }
  @hears(rung) rang(): Promise<void> {
    const { n } = this.state
    return thenable(
      alone(() => {
        this.state.n = n + 1
      }),
    )
  }
  @command timers(): void {
    for (let i = 0; i < 3; i++) this.after(0, 'add', 'a foreign thenable')
  }
  @query fails(): Promise<void> {
    return withThen({}, (_, reject) => reject(new Error('of the thenable')))
  }
  @query throws(): Promise<void> {
    return withThen({}, () => {
      throw new Error('of then')
    })
  }
  @query getter(): Promise<void> {
    return Object.defineProperty({}, 'then', {
      get() {
        throw new Error('of a getter')
      },
    }) as never
  }
  @query n(): number {
    return this.state.n
  }
}

async function slow(t: Parameters<typeof TestSystem.start>[0]) {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Slow, 's')
  most = running = 0
  return { system, host, ref: system.desk.ref(Slow, 's', { version: 0, deadline: '5s' }) }
}

for (const form of Object.keys(forms))
  test.serial(`C2: calls run one at a time where a method answers with ${form}`, async (t) => {
    const { ref } = await slow(t)
    const answers = await Promise.all([1, 2, 3, 4].map(() => ref.add(form)))
    t.deepEqual(answers, [1, 2, 3, 4])
    t.is(most, 1)
  })

test.serial('C2: timers and events run one at a time where their methods answer with a thenable', async (t) => {
  const { ref } = await slow(t)
  await ref.timers()
  await ref.ring()
  await ref.ring()
  await until(async () => (await ref.n()) === 5, 'all have come')
  t.is(most, 1)
})

test.serial('a thenable that rejects, or that throws, is a method that throws', async (t) => {
  const { ref } = await slow(t)
  for (const method of ['fails', 'throws', 'getter'] as const) t.is(await codeOf(ref[method]()), 'application.error', method)
  t.is(await ref.n(), 0)
})

test.serial(
  'start, stop, selfCheck, transforms, initial, SFs and simulation objects are waited for where they answer with a thenable',
  async (t) => {
    const order: string[] = []
    const noted = <T>(what: string, value: T) =>
      thenable(() => {
        order.push(what)
        return value
      })
    class SlowV1 extends Slow {
      protected override stop() {
        return noted('stop', undefined)
      }
      protected override start() {
        return noted('start', undefined)
      }
    }
    class SlowV2 extends Slow {
      static override readonly className = 'Slow.v2'
      protected override selfCheck() {
        return noted('selfCheck', undefined)
      }
      protected override start() {
        return noted('start 2', undefined)
      }
    }
    const step = (what: string) => schedule(what, () => noted(what, undefined))
    const daily = within({ from: '00:00', for: '24h' }, step('within'))
    const system = await TestSystem.start(t)
    const host = await system.host('h1')
    await host.node(SlowV1, 's')
    await system.publish(
      defineUpgrade({
        title: 'slowly',
        classUpgrades: [
          upgradeClass({
            oldClass: SlowV1,
            newClass: SlowV2,
            futureSO: notNeeded,
            pastSO: pastSO({
              simulates: SlowV1,
              over: SlowV2,
              initial: () => noted('initial', { kept: 1 }),
              delegates: ['add', 'ring', 'rang', 'timers', 'fails', 'throws', 'getter'],
              methods: {
                n() {
                  return noted('SO', 7)
                },
              },
            }),
            transform: (old) => noted('transform', { n: old.n }),
            schedule: andThen(allOf(step('one'), step('other')), anyOf(step('any')), daily),
          }),
        ],
      }),
    )
    await host.untilPhase('s', 'current')
    await until(() => order.includes('start 2'), 'it has upgraded')
    t.is(await system.desk.ref(SlowV1, 's', { version: 0 }).n(), 7)
    const expected = ['start', 'one', 'other', 'any', 'within', 'stop', 'transform', 'initial', 'selfCheck', 'start 2', 'SO']
    t.deepEqual(order, expected)
  },
)

test.serial(
  'checkRecord() and a record’s transform may not be asynchronous: what they reject with ends nothing but the call',
  async (t) => {
    class BoxV1 extends NodeObject<Record<string, never>, { a: string; b: string }> {
      static override readonly className: string = 'Box.v1'
      @command put(): void {
        this.collection('a').put('k', 'v')
        this.collection('b').put('k', 'v')
      }
      @query get(name: 'a' | 'b'): string | undefined {
        return this.collection(name).get('k')
      }
    }
    class BoxV2 extends BoxV1 {
      static override readonly className = 'Box.v2'
      protected override async checkRecord(collection: string): Promise<void> {
        if (collection === 'a') throw new Error('nobody waits for this')
      }
    }
    const system = await TestSystem.start(t)
    const host = await system.host('h1')
    const node = await host.node(BoxV1, 'b')
    await system.desk.ref(BoxV1, 'b', { version: 0 }).put()
    await system.publish(
      defineUpgrade({
        title: 'boxes',
        classUpgrades: [
          upgradeClass({
            oldClass: BoxV1,
            newClass: BoxV2,
            futureSO: none,
            pastSO: none,
            transform: () => ({}),
            records: { a: (old) => old, b: (async () => Promise.reject(new Error('nor for this'))) as never },
            schedule: schedule('now', async () => {}),
          }),
        ],
      }),
    )
    await until(() => node.version === 1, 'it has upgraded')
    const ref = system.desk.ref(BoxV2, 'b', { version: 1 })
    const messages = await Promise.all((['a', 'b'] as const).map((name) => ref.get(name).then(String, (error) => error.message)))
    t.regex(messages[0]!, /checkRecord\(\) may not be asynchronous/)
    t.regex(messages[1]!, /a Promise that was not awaited/)
  },
)
