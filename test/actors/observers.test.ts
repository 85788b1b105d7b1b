/** Privileged observers (§4): a scheduling function sees all of its node's state, and writes none of it. */
import test, { type ExecutionContext } from 'ava'
import type { HostSettings } from '../../actors/base/settings.js'
import { collectionNames } from '../../actors/state/collectionNames.js'
import type { InspectionFilter, Seen } from '../../core/inspection/inspection.js'
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
import { codeOf, type Gate, gate, type Settings, TestSystem } from '../support/testSystem.js'
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

async function oneDesk(t: ExecutionContext, settings: Settings = {}) {
  const system = await TestSystem.start(t, settings)
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

type StateSeen = Extract<Seen, { type: 'state' }>

/** One look at the state of nodes. */
async function looked(t: ExecutionContext, system: TestSystem, nodes: readonly string[], only: InspectionFilter = {}) {
  const told: StateSeen[] = []
  const others: Seen[] = []
  const stop = system.desk.running.operator.look(
    ({ seen }) => {
      for (const one of seen)
        if (one.type === 'state') told.push(one)
        else others.push(one)
    },
    { types: ['state', 'node'], nodes, states: true, ...only },
  )
  t.teardown(stop)
  await until(() => others.length > 0, 'the host tells something')
  return told
}

async function starred(t: ExecutionContext, observedState: HostSettings['observedState']) {
  const system = await TestSystem.start(t, { observedState })
  const host = await system.host('h1')
  for (const id of ['n1', 'n2']) await host.node(NotesV1, id)
  await system.publish(toV2({ schedule: waiting().when }))
  for (const id of ['n1', 'n2']) await host.untilPhase(id, 'scheduled')
  const v0 = system.desk.ref(NotesV1, 'n1', { version: 0 })
  await v0.add('a')
  await v0.put('k', 'kept')
  await system.desk.ref(NotesV2, 'n1', { version: 1 }).star(0)
  return system
}

test('those who look and ask for it are told the names of all of a node’s state, once, and of no other node', async (t) => {
  const system = await starred(t, 'names')
  const told = await looked(t, system, ['n1'])
  await until(() => told.length > 0, 'the state is told')
  await system.clock.passes(1_000)
  t.deepEqual(
    told.map(({ at: _, ...rest }) => rest),
    [
      {
        type: 'state',
        nodeId: 'n1',
        states: [
          { version: 0, className: 'Notes.v1', isObject: true, collections: ['shelf'], fields: ['notes', 'mood'], values: null },
          { version: 1, className: 'Notes.v2', isObject: false, collections: [], fields: ['stars'], values: null },
        ],
        memory: null,
      },
    ],
  )
})

test('a host may tell the values too, cut and bounded, or nothing of its nodes’ states', async (t) => {
  const values = await starred(t, 'values')
  const told = await looked(t, values, ['n1'])
  await until(() => told.length > 0, 'the state is told')
  t.deepEqual(
    told[0]!.states.map((slot) => slot.values),
    [[['a'], 'calm'], [{ 0: 1 }]],
  )
  const nothing = await starred(t, 'nothing')
  const untold = await looked(t, nothing, ['n1'])
  await nothing.clock.passes(5_000)
  t.deepEqual(untold, [])
})

test('nobody is told a state who has not asked for it, or does not name the nodes, a few of them', async (t) => {
  const system = await starred(t, 'values')
  const many = Array.from({ length: 17 }, (_, i) => `n${i}`)
  const untold = [
    await looked(t, system, ['n1'], { states: false }),
    await looked(t, system, many),
    await looked(t, system, ['n1'], { nodes: undefined as never }),
  ]
  await system.clock.passes(5_000)
  t.deepEqual(untold, [[], [], []])
})

test('the state of a busy node is told without its memory, which it is not free to tell', async (t) => {
  const { system, ref, id, busy } = await oneDesk(t, { observedMs: 50 })
  const told = await looked(t, system, [id])
  await until(() => told.length === 1, 'the state is told')
  t.deepEqual(told[0]!.memory, { fields: ['open'], values: null })
  const taken = ref.take('letter')
  await until(() => busy.waiting === 1, 'the call runs')
  const again = await looked(t, system, [id])
  await until(() => again.length === 1, 'the state is told')
  t.deepEqual([again[0]!.memory, again[0]!.states[0]!.fields], [null, ['done']])
  busy.open()
  await taken
})
