/** Statecharts as plain data: their definition as it is drawn, and what their actors do as it travels. */
import test from 'ava'
import { assign, createActor, createMachine, fromPromise, type InspectionEvent, setup } from 'xstate'
import { Fault } from '../../core/base/fault.js'
import { describeStatechart, upgradeStatechartDescription } from '../../core/upgrade/statechartDescription.js'
import { actorEvent, plain, type StatechartEvent, statechartEvent, transitionId } from '../../core/upgrade/statechartEvent.js'

const isOpen = () => true
const lamp = setup({
  types: { context: {} as { count: number; last: string } },
  actors: { warm: fromPromise<void>(async () => {}) },
  actions: { ring: () => {} },
  guards: { isDay: () => false },
  delays: { cooling: 60_000 },
}).createMachine({
  id: 'lamp',
  context: { count: 0, last: 'none' },
  initial: 'off',
  states: {
    off: {
      on: {
        press: [
          { guard: 'isDay', actions: 'ring' },
          { target: 'on', actions: [assign({ count: 1, last: 'press' }), 'ring'] },
        ],
      },
    },
    on: {
      invoke: { src: 'warm', id: 'heat', onDone: 'bright', onError: 'broken' },
      initial: 'dim',
      states: {
        dim: {
          always: [
            { guard: () => false, target: 'mid' },
            { guard: 'isDay', target: 'mid' },
          ],
          after: { cooling: 'mid' },
        },
        mid: {},
      },
    },
    bright: { type: 'parallel', states: { left: {}, right: { invoke: { src: fromPromise<void>(async () => {}) } } } },
    broken: { type: 'final' },
  },
})
const drawn = () => describeStatechart(lamp)

test('a statechart is described with its states, each before those within it', (t) => {
  t.is(drawn().id, 'lamp')
  t.is(drawn().initial, 'lamp.off')
  t.deepEqual(
    drawn().states.map(({ id, key, parent, type, initial }) => [id, key, parent, type, initial]),
    [
      ['lamp', 'lamp', null, 'compound', 'lamp.off'],
      ['lamp.off', 'off', 'lamp', 'atomic', null],
      ['lamp.on', 'on', 'lamp', 'compound', 'lamp.on.dim'],
      ['lamp.on.dim', 'dim', 'lamp.on', 'atomic', null],
      ['lamp.on.mid', 'mid', 'lamp.on', 'atomic', null],
      ['lamp.bright', 'bright', 'lamp', 'parallel', null],
      ['lamp.bright.left', 'left', 'lamp.bright', 'atomic', null],
      ['lamp.bright.right', 'right', 'lamp.bright', 'atomic', null],
      ['lamp.broken', 'broken', 'lamp', 'final', null],
    ],
  )
  t.deepEqual(drawn().states.find(({ id }) => id === 'lamp.on')?.invokes, ['warm'])
})

test('a statechart of one state begins where it is', (t) => {
  t.is(describeStatechart(createMachine({ id: 'alone' })).initial, 'alone')
})

test('a transition is described as people read it', (t) => {
  t.deepEqual(
    drawn().transitions.map(({ from, to, on, guard, actions }) => [from, to, on, guard, actions]),
    [
      ['lamp.off', null, 'press', 'isDay', ['ring']],
      ['lamp.off', 'lamp.on', 'press', null, ['assign count, last', 'ring']],
      ['lamp.on', 'lamp.bright', 'warm done', null, []],
      ['lamp.on', 'lamp.broken', 'warm fails', null, []],
      ['lamp.on.dim', 'lamp.on.mid', 'always', 'false', []],
      ['lamp.on.dim', 'lamp.on.mid', 'always', 'isDay', []],
      ['lamp.on.dim', 'lamp.on.mid', 'after cooling', null, []],
    ],
  )
})

test('a transition’s name says where it is, upon what, and which of the candidates', (t) => {
  t.deepEqual(
    drawn().transitions.map(({ id }) => id),
    [
      'lamp.off press 0',
      'lamp.off press 1',
      'lamp.on xstate.done.actor.heat 0',
      'lamp.on xstate.error.actor.heat 0',
      'lamp.on.dim  0',
      'lamp.on.dim  1',
      'lamp.on.dim xstate.after.cooling.lamp.on.dim 0',
    ],
  )
  t.is(drawn().transitions[1]?.event, 'press')
  t.is(transitionId({ source: { id: 'x', transitions: new Map() }, eventType: 'e' } as never), 'x e 0')
})

test('a condition without a name, an effect without one, and other forms of actions are described too', (t) => {
  const definition: object = {
    id: 'odd',
    invoke: { src: fromPromise<void>(async () => {}), onDone: { actions: [() => {}, { type: 'xstate.raise' }] } },
    on: {
      a: { guard: isOpen, actions: assign(() => ({})) },
      b: { guard: { type: 'named', params: {} } },
      c: { guard: {}, actions: [{}, { type: 'xstate.assign' }] },
    },
  }
  const odd = describeStatechart(createMachine(definition))
  const [a, b, c, ended] = odd.transitions
  t.deepEqual(odd.states[0]?.invokes.length, 1)
  t.regex(ended?.on ?? '', / done$/)
  t.is(ended?.actions[1], 'raise')
  t.deepEqual([a?.guard, a?.actions], ['true', ['assign']])
  t.deepEqual([b?.guard, b?.actions], ['named', []])
  t.deepEqual([c?.guard, c?.actions], ['guarded', ['action', 'assign']])
})

test('a condition is shown without its parameters, as arrow function or otherwise; an effect that is elsewhere is an effect', (t) => {
  const written = (text: string) => Object.assign(() => true, { toString: () => text })
  const guardFor = (text: string) =>
    describeStatechart(createMachine({ id: 'one', on: { a: { guard: written(text), actions: 'x' } } })).transitions[0]?.guard
  t.is(guardFor('({ context })=>context.open'), 'context.open')
  t.is(guardFor('(\n  a,\n) => a'), 'a')
  t.is(guardFor('isOpen() { return open }'), 'isOpen() { return open }')
  const elsewhere = createMachine({
    id: 'one',
    on: { 'xstate.done.actor.other': { actions: 'x' }, 'xstate.error.actor.other': { actions: 'x' } },
  })
  t.deepEqual(
    describeStatechart(elsewhere).transitions.map(({ on }) => on),
    ['effect done', 'effect fails'],
  )
})

test('each way of the upgrade’s statechart leads to a state that is described', (t) => {
  const { id, initial, states, transitions } = upgradeStatechartDescription
  const ids = new Set(states.map((state) => state.id))
  t.is(id, 'upgrade')
  t.true(ids.has(initial))
  for (const { from, to } of transitions) t.true(ids.has(from) && (to === null || ids.has(to)), `${from} → ${to}`)
  t.is(new Set(transitions.map((transition) => transition.id)).size, transitions.length)
  t.deepEqual(states.find(({ key }) => key === 'draining')?.invokes, ['drain'])
  t.truthy(
    transitions.find(({ on, from, to }) => on === 'drain done' && from === 'upgrade.draining' && to === 'upgrade.transforming'),
  )
})

function inspected(act: (actor: ReturnType<typeof createActor<typeof lamp>>) => void): readonly StatechartEvent[] {
  const events: InspectionEvent[] = []
  const actor = createActor(lamp, { inspect: (event) => events.push(event) })
  actor.start()
  act(actor)
  const told = events.map(statechartEvent).filter((event) => event !== undefined)
  actor.stop()
  return told
}

test('what an actor does is told as plain data: its beginning, events, steps, actions and states', (t) => {
  const told = inspected((actor) => actor.send({ type: 'press' }))
  const own = told[0]!
  t.like(own, { type: '@xstate.actor', parent: null })
  const root = own.actor
  t.like(
    told.find(({ type }) => type === '@xstate.event'),
    { actor: root, source: null },
  )
  t.like(
    told.find((event) => event.type === '@xstate.event' && (event.event as { type: string }).type === 'press'),
    {
      actor: root,
      source: null,
      event: { type: 'press' },
    },
  )
  t.deepEqual(
    told.find((event) => event.type === '@xstate.microstep' && event.transitions.includes('lamp.off press 1')),
    {
      type: '@xstate.microstep',
      actor: root,
      event: { type: 'press' },
      transitions: ['lamp.off press 1'],
      value: { on: 'dim' },
      context: { count: 1, last: 'press' },
    },
  )
  t.deepEqual(
    told.filter((event) => event.type === '@xstate.action'),
    [{ type: '@xstate.action', actor: root, action: { type: 'ring', params: null } }],
  )
  t.like(
    told.findLast((event) => event.type === '@xstate.snapshot' && event.actor === root),
    {
      event: { type: 'press' },
      snapshot: { status: 'active', value: { on: 'dim' }, context: { count: 1, last: 'press' } },
    },
  )
  const effect = told.find((event) => event.type === '@xstate.actor' && event.actor !== root)
  t.like(effect, { id: 'heat', parent: root })
  t.deepEqual(structuredClone(told), told)
})

test('an event that an actor gets from another names its source', (t) => {
  const ref = { sessionId: 'x:1' }
  const event = { type: '@xstate.event', actorRef: ref, sourceRef: { sessionId: 'x:2' }, event: { type: 'go' } }
  t.deepEqual(statechartEvent(event as never), { type: '@xstate.event', actor: 'x:1', source: 'x:2', event: { type: 'go' } })
})

test('XState’s own actions and single transitions tell nothing more, and are left out', (t) => {
  const actorRef = { sessionId: 'x:1' }
  t.is(statechartEvent({ type: '@xstate.action', actorRef, action: { type: 'xstate.assign', params: {} } } as never), undefined)
  t.is(statechartEvent({ type: '@xstate.transition', actorRef } as never), undefined)
})

const seenOf = (snapshot: unknown, more: object = {}) =>
  actorEvent({ sessionId: 'x:1', getSnapshot: () => snapshot, ...more } as never)

test('an actor without an id goes by its session id, and one with a parent names it', (t) => {
  t.like(seenOf(undefined), { id: 'x:1', parent: null })
  t.like(seenOf(undefined, { id: 'fetch', _parent: { sessionId: 'x:0' } }), { actor: 'x:1', id: 'fetch', parent: 'x:0' })
})

test('a snapshot is told with those of its parts that there are', (t) => {
  const told = (snapshot: unknown) => (seenOf(snapshot) as { snapshot: unknown }).snapshot
  for (const none of [undefined, null, 'text', {}]) t.deepEqual(told(none), { status: 'active' })
  t.deepEqual(told({ status: 'done', output: 1 }), { status: 'done', output: 1 })
  t.deepEqual(told({ status: 'error', error: new Error('away') }), { status: 'error', error: { name: 'Error', message: 'away' } })
  t.deepEqual(told({ status: 'active', value: 'a', context: { n: 0 } }), { status: 'active', value: 'a', context: { n: 0 } })
  t.deepEqual(told({ status: 'done', output: null }), { status: 'done', output: null })
})

test('plain values are told as they are, and others by their kind', (t) => {
  for (const value of ['a', 0, 1.5, true, false, null, [1, [2]], { a: { b: 1 } }]) t.deepEqual(plain(value), value)
  t.is(plain(undefined), null)
  t.is(plain(Number.NaN), 'NaN')
  t.is(plain(Number.POSITIVE_INFINITY), 'Infinity')
  t.is(plain(1n), '(bigint)')
  t.is(
    plain(() => 1),
    '(function)',
  )
  t.is(plain(Symbol('a')), '(symbol)')
  t.is(plain(new Map()), '(Map)')
  t.is(plain(Object.create(Object.create(null))), '(object)')
  t.deepEqual(plain(Object.assign(Object.create(null), { a: 1 })), { a: 1 })
})

test('faults are told by code and message, errors by name and message', (t) => {
  t.deepEqual(plain(new Fault('upgrade.drain', 'too slow')), { code: 'upgrade.drain', message: 'too slow' })
  t.deepEqual(plain(new TypeError('no')), { name: 'TypeError', message: 'no' })
})

test('a field that is undefined, or would be taken for a prototype, is left out', (t) => {
  t.deepEqual(plain({ a: undefined, b: 1 }), { b: 1 })
  const read = plain(JSON.parse('{"__proto__":{"x":1},"b":2}'))
  t.deepEqual(read, { b: 2 })
  t.is(Object.getPrototypeOf(read), Object.prototype)
})

test('a value that can’t be read does not keep the rest from being told', (t) => {
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  t.deepEqual(plain({ a: revoked.proxy, b: 1 }), { a: '(unreadable)', b: 1 })
})

test('long texts, long lists and many fields are cut', (t) => {
  t.is(plain('a'.repeat(512)), 'a'.repeat(512))
  t.is(plain('a'.repeat(513)), `${'a'.repeat(512)}…`)
  t.is(plain('\ud83d'), '\ufffd')
  t.is(plain(`${'a'.repeat(511)}😀`), `${'a'.repeat(511)}\ufffd…`)
  t.is((plain(Array(100).fill(0)) as unknown[]).length, 64)
  const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, i]))
  t.deepEqual(plain(many), Object.fromEntries(Object.entries(many).slice(0, 64)))
  t.deepEqual(Object.keys(plain({ ['k'.repeat(600)]: 1 }) as object), [`${'k'.repeat(512)}…`])
})

test('values are told six deep', (t) => {
  const lists = (depth: number, inmost: unknown): unknown => (depth === 0 ? inmost : [lists(depth - 1, inmost)])
  const records = (depth: number, inmost: unknown): unknown => (depth === 0 ? inmost : { a: records(depth - 1, inmost) })
  for (const nest of [lists, records]) {
    t.deepEqual(plain(nest(6, 1)), nest(6, 1))
    t.deepEqual(plain(nest(7, 1)), nest(6, '…'))
  }
})
