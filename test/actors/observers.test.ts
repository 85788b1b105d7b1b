/** Privileged observers (§4): a scheduling function sees all of its node's state, and writes none of it. */
import test, { type ExecutionContext } from 'ava'
import { collectionNames } from '../../actors/state/collectionNames.js'
import { keys } from '../../core/model/nodeRecord.js'
import {
  command,
  defineUpgrade,
  NodeObject,
  none,
  notNeeded,
  query,
  type SchedulingView,
  schedule,
  upgradeClass,
} from '../../index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { codeOf, type Gate, gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2, toV3 } from './notesClasses.js'

/** The view of the schedule of an upgrade that waits. */
function waiting() {
  const go = gate()
  let view: SchedulingView | undefined
  const when = schedule('when told', async (seen) => {
    view = seen
    await go.opened
  })
  return { go, when, view: () => until(() => view, 'the schedule runs') as Promise<SchedulingView> }
}

test('an SF sees the states of the past-SO and of the future-SO, and the names of all collections', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const v0 = system.desk.ref(NotesV1, 'n1', { version: 0 })
  const v1 = system.desk.ref(NotesV2, 'n1', { version: 1 })
  const [first, second] = [waiting(), waiting()]
  await system.publish(toV2({ schedule: first.when }))
  await host.untilPhase('n1', 'scheduled')
  await v0.add('a')
  await v0.put('k', 'kept')
  await v0.setMood('merry')
  await v1.star(0)
  const before = await first.view()
  t.deepEqual(before.collections(), ['shelf'])
  t.deepEqual(
    before.simulations().map(({ version, className, state }) => ({ version, className, state: { ...state } })),
    [{ version: 1, className: 'Notes.v2', state: { stars: { 0: 1 } } }],
  )
  t.deepEqual(before.simulations()[0]!.collections(), [])
  t.is(await before.memory(), null)
  first.go.open()
  await node.reached(1)
  await system.publish(toV3({ schedule: second.when }))
  await host.untilPhase('n1', 'scheduled', 2)
  const after = await second.view()
  await until(() => after.simulations().length === 2, 'the future-SO is on disk')
  t.deepEqual(
    after.simulations().map(({ version, className, state }) => ({ version, className, state: { ...state } })),
    [
      { version: 0, className: 'Notes.v1', state: { mood: 'merry' } },
      { version: 2, className: 'Notes.v3', state: { pins: [] } },
    ],
  )
  // A schedule may keep what it has been given: the future-SO that it saw is gone.
  t.deepEqual({ ...before.simulations()[0]?.state }, { mood: 'merry' })
})

test('the names of collections are found without their records, those too whose records are to be made', async (t) => {
  const store = await memoryStore().open()
  const write = (name: string, key: string, of: `${number}.${number}` = '1.1') =>
    [keys.collection('n1', of, name) + key, new Uint8Array([1])] as const
  await store.commit([
    [keys.root('n1', '1.1'), new Uint8Array([0x80])],
    ...['a', 'b', 'c', 'd'].map((key) => write('shelf', key)),
    write('box', 'k'),
    write('boxes', 'k'),
    write('old', 'k', '0.0'),
  ])
  let read = 0
  const counted = {
    get: store.get.bind(store),
    *range(from: string, to: string) {
      for (const entry of store.range(from, to)) {
        read++
        yield entry
      }
    },
  }
  const lazy = { next: { box: '', later: 'x' } } as never
  t.deepEqual(collectionNames('n1', '1.1', undefined, counted, 10), ['box', 'boxes', 'shelf'])
  t.is(read, 3)
  t.deepEqual(collectionNames('n1', '1.1', lazy, counted, 10), ['box', 'boxes', 'later', 'shelf'])
  t.deepEqual(collectionNames('n1', '1.1', undefined, counted, 2), ['box', 'boxes'])
  t.deepEqual(collectionNames('n2', '1.1', undefined, counted, 10), [])
})

const busy = new Map<string, Gate>()
/** How an object answers to observers. */
const answers = new Map<string, (desk: any) => unknown>()

class DeskV1 extends NodeObject<{ done: number }> {
  static override readonly className: string = 'Desk.v1'
  static override initial() {
    return { done: 0 }
  }
  readonly open: string[] = []
  protected override observe(): Record<string, unknown> {
    const answer = answers.get(this.nodeId)
    return (answer === undefined ? { open: this.open } : answer(this)) as Record<string, unknown>
  }
  @command async take(what: string): Promise<void> {
    this.open.push(`${what}…`)
    await busy.get(this.nodeId)?.pass()
    this.open[this.open.length - 1] = what
  }
  @command finish(): number {
    return ++this.state.done
  }
  @query done(): number {
    return this.state.done
  }
}

class DeskV2 extends DeskV1 {
  static override readonly className: string = 'Desk.v2'
}

async function oneDesk(t: ExecutionContext) {
  const system = await TestSystem.start(t)
  const id = system.name
  busy.set(id, gate())
  t.teardown(() => busy.get(id)!.open())
  const host = await system.host('h1')
  await host.node(DeskV1, id)
  const { when, view } = waiting()
  await system.publish(
    defineUpgrade({
      title: 'A better desk',
      classUpgrades: [
        upgradeClass({
          oldClass: DeskV1,
          newClass: DeskV2,
          futureSO: notNeeded,
          pastSO: none,
          transform: (old) => old,
          schedule: when,
        }),
      ],
    }),
  )
  await host.untilPhase(id, 'scheduled')
  const ref = system.desk.ref(DeskV1, id, { version: 0 })
  return { system, host, id, ref, view: await view(), busy: busy.get(id)! }
}

test('an SF sees the memory that a class offers: a copy, taken between two calls', async (t) => {
  const { ref, view, busy } = await oneDesk(t)
  const taken = ref.take('letter')
  await until(() => busy.waiting === 1, 'the call runs')
  const seen = view.memory()
  busy.open()
  await taken
  t.deepEqual(await seen, { open: ['letter'] })
  await ref.take('parcel')
  t.deepEqual(await seen, { open: ['letter'] })
  t.deepEqual(await view.memory(), { open: ['letter', 'parcel'] })
})

for (const [what, answer, code] of [
  ['writes', (desk: any) => ({ done: (desk.state.done = 99) }), 'protocol.query-writes'],
  ['sets a timer', (desk: any) => ({ set: desk.after(1, 'finish') }), 'protocol.not-here'],
  ['answers a promise', async () => ({}), 'protocol.bad-arguments'],
  ['answers no record', () => [1], 'protocol.bad-arguments'],
  ['answers what can’t be kept', () => ({ f() {} }), 'protocol.bad-arguments'],
  ['answers too much', () => ({ text: 'x'.repeat(70_000) }), 'protocol.bad-arguments'],
] as const)
  test(`an observe() that ${what} is refused, and leaves no trace`, async (t) => {
    const { ref, view, id } = await oneDesk(t)
    answers.set(id, answer)
    t.is(await codeOf(view.memory()), code)
    t.is(await ref.done(), 0)
    t.is(await ref.finish(), 1)
    answers.set(id, () => ({ fine: true }))
    t.deepEqual(await view.memory(), { fine: true })
    t.is(await ref.done(), 1)
  })

class BookV1 extends NodeObject<object> {
  static override readonly className = 'Book.v1'
  static override initial() {
    return {}
  }
  @query override observe(): Record<string, unknown> {
    return { title: 'of before' }
  }
}

test('a remote method of that name, as classes of before may have one, stays one, and offers no memory', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(BookV1, 'b1')
  t.deepEqual(await system.desk.ref(BookV1, 'b1').observe(), { title: 'of before' })
  const { when, view } = waiting()
  class BookV2 extends BookV1 {
    static override readonly className: any = 'Book.v2'
  }
  const upgrade = {
    oldClass: BookV1,
    newClass: BookV2,
    futureSO: notNeeded,
    pastSO: notNeeded,
    transform: () => ({}),
    schedule: when,
  }
  await system.publish(defineUpgrade({ title: 'Again', classUpgrades: [upgradeClass(upgrade)] }))
  await host.untilPhase('b1', 'scheduled')
  t.is(await (await view()).memory(), null)
})
