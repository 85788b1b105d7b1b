/**
 * The things that user code has in its hands lead it to no store, no upgrade database and no connection of
 * its host: it could write past every rule.
 */
import test from 'ava'
import {
  command,
  defineUpgrade,
  futureSO,
  NodeObject,
  notNeeded,
  query,
  type SchedulingView,
  schedule,
  upgradeClass,
} from '../../index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'

const given = new Map<string, unknown>()

class PartsV1 extends NodeObject<{ count: number }, { marks: { n: number } }> {
  static override readonly className: string = 'Parts.v1'
  static override initial() {
    return { count: 0 }
  }
  @command keep(): void {
    this.collection('marks').put('a', { n: 1 })
    given.set('object', this)
    given.set('collection', this.collection('marks'))
    given.set('entries', this.collection('marks').entries())
    given.set('ref', this.ref(PartsV1, 'n2'))
    given.set('sender', this.sender(PartsV1, 'n2'))
    given.set('signal', this.signal)
  }
  @query count(): number {
    return this.state.count
  }
}

class PartsV2 extends PartsV1 {
  static override readonly className = 'Parts.v2'
}

const PartsAhead = futureSO({
  simulates: PartsV2,
  over: PartsV1,
  initial: () => ({ own: 0 }),
  delegates: ['count'],
  methods: {
    keep() {
      given.set('simulation', this)
      given.set('next', this.next)
      given.set('simulation’s collection', this.collection('own'))
    },
  },
})

/**
 * Everything that can be had of a value by looking: its properties, hidden ones too, and those of its
 * prototypes. Calls nothing.
 */
function reachable(from: unknown): ReadonlyMap<object, string> {
  const found = new Map<object, string>()
  const queue: [unknown, string][] = [[from, '']]
  for (const [value, path] of queue) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null || found.has(value)) continue
    found.set(value, path)
    for (const key of Reflect.ownKeys(value)) {
      const property = Reflect.getOwnPropertyDescriptor(value, key)!
      const read = property.get === undefined ? property.value : undefined
      queue.push([read, `${path}.${String(key)}`], [property.get, `${path}.get ${String(key)}`])
    }
    queue.push([Object.getPrototypeOf(value), path])
  }
  return found
}

/** By what only they have; what stands before them in a test is found all the same. */
function isPrivate(value: object): boolean {
  const has = (...names: readonly string[]) => names.every((name) => Object.getOwnPropertyNames(value).includes(name))
  return has('claimPermit') || has('commit', 'range') || has('publish', 'subscribe', 'flush') || has('whenCommitted')
}

test('nothing that user code is given leads to the store, the upgrade database or the transport', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const host = await system.host('h1')
  await host.node(PartsV1, 'n1')
  await host.node(PartsV1, 'n2')
  await system.desk.ref(PartsV1, 'n1', { version: 0 }).keep()
  const seen: SchedulingView[] = []
  await system.publish(
    defineUpgrade({
      title: 'Parts',
      classUpgrades: [
        upgradeClass({
          oldClass: PartsV1,
          newClass: PartsV2,
          futureSO: PartsAhead,
          pastSO: notNeeded,
          transform: (old, _future, collections) => {
            given.set('transform’s collections', collections).set('old collection', collections.old('marks'))
            return { count: old.count }
          },
          schedule: schedule('looks', async (view) => {
            seen.push(view)
            given
              .set('view', view)
              .set('view’s collection', view.collection('marks'))
              .set('rows', await view.nodes())
            await until(() => given.has('simulation'), 'the simulation object has run')
          }),
        }),
      ],
    }),
  )
  await until(() => seen.length === 2, 'the schedules run')
  await system.desk.ref(PartsV2, 'n1', { version: 1 }).keep()
  await until(() => given.has('old collection'), 'the transform has run')
  t.is(given.size, 14)
  for (const [name, value] of given)
    for (const [part, path] of reachable(value)) t.false(isPrivate(part), `${name}${path} is reached by user code`)
  // The walk finds such things where they can be found.
  t.true([...reachable({ database: system.desk.running.operator.database }).keys()].some(isPrivate))
})
