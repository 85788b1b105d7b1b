/** Controls as they come from outside, and which of them holds a node back. */
import test from 'ava'
import {
  type Control,
  checkControl,
  controlKey,
  controlReasonLengthMax,
  heededMax,
  holding,
  isControl,
  isToldToGo,
  retryToken,
} from '../../core/control/control.js'
import { promotedNodes, rolloutPaceOf } from '../../core/control/paceOrders.js'
import { isSameRolloutPace, ownRolloutPace, paceMsMax } from '../../core/schedules/rolloutPace.js'

const since = 7
const pause = (version: number, reason = ''): Control => ({ kind: 'pause', version, reason, since })
const hold = (nodeId: string): Control => ({ kind: 'hold', nodeId, reason: '', since })
const now = (nodeId: string, version: number): Control => ({ kind: 'now', nodeId, version, since })
const retry = (version: number, token: string): Control => ({ kind: 'retry', version, token, since })
const place: Control = { kind: 'place', service: 'cart', shard: 3, hostId: 'h1', start: 's1', reason: 'hot', since }
const keys = (count: number) => Array.from({ length: count }, (_, i) => `${i}`)

test('each kind of control is one, and is none with any of its parts missing or wrong', (t) => {
  const whole: readonly (readonly [Control, Record<string, readonly unknown[]>])[] = [
    [pause(1, 'a reason'), { version: [-1, 'one', 1.5], reason: [7, 'x'.repeat(controlReasonLengthMax + 1)] }],
    [hold('n1'), { nodeId: ['', 'a b', 7], reason: [7, 'x'.repeat(controlReasonLengthMax + 1)] }],
    [now('n1', 1), { nodeId: ['', 7], version: [-1, 'one'] }],
    [retry(1, 'token'), { version: [-1], token: [7] }],
    [
      { kind: 'gate', version: 1, heeded: ['a', 'b'], since },
      { version: [-1], heeded: ['a', { length: 1 }, ['a', 7], [7, 'a'], keys(heededMax + 1)] },
    ],
    [
      place,
      {
        ...{ service: ['a b', 7], shard: [-1, 1.5, '3', 4_096], hostId: ['a b', 7], start: ['', 7] },
        reason: [7, 'x'.repeat(controlReasonLengthMax + 1)],
      },
    ],
    [
      { kind: 'promote', format: 1, version: 1, percent: 10, past: 3, reason: '', since },
      { version: [-1], format: [0, 2, '1'], percent: [0, 101, 1.5, '10'], past: ['3'], reason: [7] },
    ],
    [
      { kind: 'pace', format: 1, version: 1, probability: 0.5, everyMs: 1, bakeMs: 0, reason: '', since },
      {
        ...{ version: [-1], format: [0, 2], probability: [0, 1.1, '1'], everyMs: [0, 1.5, -1, paceMsMax + 1] },
        ...{ bakeMs: [-1, 1.5, paceMsMax + 1], reason: [7] },
      },
    ],
  ]
  for (const [control, wrong] of whole) {
    t.true(isControl(control), control.kind)
    t.notThrows(() => checkControl(control))
    for (const [part, values] of Object.entries({ ...wrong, since: ['7'], kind: ['dance'] })) {
      const isNullable = ['percent', 'past', 'probability', 'everyMs', 'bakeMs'].includes(part)
      for (const value of [undefined, ...(isNullable ? [] : [null]), ...values])
        t.false(isControl({ ...control, [part]: value }), `${control.kind}: ${part} is ${value}`)
    }
  }
  for (const value of [null, undefined, 'pause', 7, []]) t.false(isControl(value))
})

test('reasons, and troubles that were heeded, may be as many as they may, and no more', (t) => {
  t.true(isControl(pause(1, 'x'.repeat(controlReasonLengthMax))))
  t.true(isControl({ kind: 'gate', version: 1, heeded: keys(heededMax), since }))
  t.true(isControl({ kind: 'gate', version: 1, heeded: [], since }))
})

test('what is no control is refused, and as much of it is shown as helps', (t) => {
  const wrong = { kind: 'dance', text: 'x'.repeat(1000) } as never
  const thrown = t.throws(() => checkControl(wrong), { code: 'config.invalid', message: /this is no control: \{"kind":"dance"/ })
  t.true(thrown!.message.length < 300)
})

test('there is one control of each kind for a node, for a version, or for a shard', (t) => {
  t.is(controlKey(place), 'place/cart/3')
  t.deepEqual([pause(1), hold('n1'), now('n1', 2), retry(3, 'x')].map(controlKey), ['pause/1', 'hold/n1', 'now/n1', 'retry/3'])
})

test('a hold keeps its node from going anywhere, a pause all nodes from its version', (t) => {
  const controls = [retry(1, 'x'), now('n2', 2), pause(1), hold('n1'), pause(2)]
  const held = (nodeId: string, version: number, isUndo = false) => holding(controls, { nodeId, version, isUndo })
  t.deepEqual(held('n1', 1), hold('n1'))
  t.deepEqual(held('n1', 3), hold('n1'))
  t.deepEqual(held('n1', 2, true), hold('n1'))
  t.deepEqual(held('n2', 1), pause(1))
  t.deepEqual(held('n3', 2), pause(2))
  t.is(held('n2', 3), undefined)
  // An undo is never paused; nor is a node that was told to go there.
  t.is(held('n2', 1, true), undefined)
  t.is(held('n2', 2), undefined)
})

test('a node is told to go to one version, by its own name', (t) => {
  const controls = [hold('n1'), now('n1', 2)]
  t.true(isToldToGo(controls, 'n1', 2))
  t.false(isToldToGo(controls, 'n1', 1))
  t.false(isToldToGo(controls, 'n2', 2))
  t.false(isToldToGo([], 'n1', 2))
  // A hold names a node, and tells it nothing.
  t.false(isToldToGo([{ ...hold('n1'), version: 2 } as never], 'n1', 2))
})

test('a retry is of its version alone', (t) => {
  const controls = [pause(2), retry(1, 'one'), retry(2, 'two')]
  t.is(retryToken(controls, 1), 'one')
  t.is(retryToken(controls, 2), 'two')
  t.is(retryToken(controls, 3), undefined)
})

test('a promotion passes the pause that it names, and no other', (t) => {
  const going = { nodeId: 'n1', version: 1, isUndo: false }
  t.is(holding([pause(1)], { ...going, passes: since }), undefined)
  t.deepEqual(holding([pause(1)], { ...going, passes: since + 1 }), pause(1))
  t.deepEqual(holding([pause(1), hold('n1')], { ...going, passes: since }), hold('n1'))
})

test('a schedule sees the changed pace of its version, and when bakes were ended', (t) => {
  const promotion = { kind: 'promote', format: 1, version: 1, past: null, reason: '', since } as const
  const pace = { kind: 'pace', format: 1, version: 1, probability: 0.5, everyMs: null, bakeMs: 5, reason: '', since } as const
  t.deepEqual(rolloutPaceOf([], 1), ownRolloutPace)
  t.deepEqual(rolloutPaceOf([pace, { ...promotion, percent: null }], 1), {
    ...{ probability: 0.5, everyMs: null, bakeMs: 5, bakedMs: since },
  })
  t.deepEqual(rolloutPaceOf([pace, { ...promotion, percent: null }], 2), ownRolloutPace)
  // A share is for the node to look at, and ends no bake.
  t.true(isSameRolloutPace(rolloutPaceOf([{ ...promotion, percent: 10 }], 1), ownRolloutPace))
  t.deepEqual(
    [1, 10, 50, 100].map((percent) => promotedNodes(percent, 15)),
    [1, 1, 7, 15],
  )
})
