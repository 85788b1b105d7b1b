/**
 * An object or a simulation object as it runs: what it may do while it runs, and no more when it has stopped.
 */
import 'reflect-metadata'
import test from 'ava'
import type { ObjectEnvironment } from '../../actors/serving/objectEnvironment.js'
import type { DueTimer } from '../../actors/serving/objectTimers.js'
import { LiveContext } from '../../actors/software/liveObject.js'
import type { Version } from '../../core/base/ids.js'
import { describeClass } from '../../core/model/nodeObject.js'
import { stateSlot } from '../../core/model/nodeRecord.js'
import { command, event, NodeObject, query } from '../../index.js'
import { ManualClock } from './manualClock.js'

class FriendV1 extends NodeObject {
  static override readonly className = 'Friend.v1'
  @query hello(): string {
    return 'hello'
  }
}

class StrangerV1 extends NodeObject {
  static override readonly className = 'Stranger.v1'
  @query hello(): string {
    return 'hello'
  }
}

const happened = event<[string]>('happened')
const happenedOtherwise = event<[string, number]>('happened', { revision: 2 })
const nothing = event<[]>('nothing')

class SelfV1 extends NodeObject {
  static override readonly className = 'Self.v1'
  static override readonly calls = [FriendV1]
  static override readonly publishes = [happened]
  @command tick(_: unknown): void {}
}

function open(label: number | null = null) {
  const clock = new ManualClock()
  const asked: string[] = []
  const timers: {
    readonly label: Version | null
    readonly method: string
    readonly args: readonly unknown[]
    readonly timer: DueTimer
  }[] = []
  const afterCommit: (() => void)[] = []
  const caller = { name: 'ann', node: 'desk', className: 'Client', version: 0 }
  const refOf = (what: string) => (target: { className: string }, nodeId: string | undefined, label: () => number) => ({
    call: () => asked.push(`${what} ${target.className} ${nodeId} at ${label()}`),
  })
  const around = {
    nodeId: 'n1',
    clock,
    random: { next: () => 0.25 },
    timersMax: 2,
    version: 3,
    running: { caller } as { caller: unknown } | undefined,
    layer: {
      ref: refOf('ref'),
      sender: refOf('sender'),
      publish: (name: string, args: readonly unknown[], at: number) => void asked.push(`publish ${name} ${args} at ${at}`),
      leaveWithCommit: (leave: () => void) => void afterCommit.push(leave),
    },
    state: {
      touch: (of: string) => void asked.push(`touch ${of}`),
      close: (of: string) => void asked.push(`close ${of}`),
      collection: (of: string, name: string, check: () => void) => ({
        get() {
          check()
          asked.push(`${name} of ${of}`)
        },
      }),
    },
    callSelf: (timer: DueTimer, label: Version | null, method: string, args: readonly unknown[]) =>
      void timers.push({ timer, label, method, args }),
  }
  const context = new LiveContext({}, around as unknown as ObjectEnvironment, stateSlot(1, 0), label, describeClass(SelfV1))
  const commit = () => {
    for (const leave of afterCommit.splice(0)) leave()
  }
  return { context, clock, around, timers, commit, caller, take: () => asked.splice(0) }
}

type Called = { call(): void }
const notHere = { code: 'protocol.not-here' }

test('what an object sends is labelled with the node’s version, and what an SO sends with the version that it implements', (t) => {
  for (const [label, expected] of [
    [null, 3],
    [5, 5],
    [0, 0],
  ] as const) {
    const { context, take } = open(label)
    ;(context.ref(FriendV1, 'f1') as Called).call()
    ;(context.sender(SelfV1) as Called).call()
    context.publish(happened, ['x'])
    t.deepEqual(take(), [
      `ref Friend.v1 f1 at ${expected}`,
      `sender Self.v1 undefined at ${expected}`,
      `publish happened x at ${expected}`,
    ])
  }
})

test('what its class does not declare an object neither calls nor publishes', (t) => {
  const { context, take } = open()
  const wrong = { code: 'config.invalid', message: /Self\.v1 calls Stranger\.v1 .*calls = \[StrangerV1\]/ }
  t.throws(() => context.ref(StrangerV1, 's1'), wrong)
  t.throws(() => context.sender(StrangerV1), wrong)
  const nameless = (() =>
    class extends NodeObject {
      static override readonly className = 'Nameless.v1'
    })()
  t.throws(() => context.ref(nameless), { code: 'config.invalid', message: /calls = \[Nameless\.v1\]/ })
  for (const [event, words] of [
    [nothing, /publishes nothing \(revision 1\)/],
    [happenedOtherwise, /publishes happened \(revision 2\)/],
  ] as const)
    t.throws(() => context.publish(event, []), { code: 'config.invalid', message: words })
  t.deepEqual(take(), [])
})

test('an object that is being checked sends nothing and sets no timer, and goes on when it has been', (t) => {
  const { context, take } = open()
  context.hush()
  const ref = context.ref(FriendV1, 'f1') as Called
  for (const sending of [() => ref.call(), () => context.publish(happened, ['x']), () => context.after(1, 'tick', [])])
    t.throws(sending, { ...notHere, message: /sends nothing while it is being checked/ })
  context.speak()
  ref.call()
  t.is(take().length, 1)
})

test('an object that has stopped reads, sends and sets nothing, also through what it was given before', (t) => {
  const { context, take } = open()
  const [ref, sender, shelf] = [context.ref(FriendV1, 'f1'), context.sender(FriendV1), context.collection('shelf')]
  shelf.get('a')
  t.deepEqual(take(), ['shelf of 1.0'])
  context.stop()
  for (const late of [
    () => (ref as Called).call(),
    () => (sender as Called).call(),
    () => shelf.get('a'),
    () => context.publish(happened, ['x']),
    () => context.after(1, 'tick', []),
    () => context.caller,
  ])
    t.throws(late, notHere)
  t.deepEqual(take(), [])
})

test('the signal of an object ends with it, also for one who asks later', (t) => {
  const { context } = open()
  const { signal } = context
  t.is(context.signal, signal)
  t.false(signal.aborted)
  context.stop()
  t.true(signal.aborted)
  const other = open().context
  other.stop()
  t.true(other.signal.aborted)
})

test('an SO is closed alone: it stops, and its state with it', (t) => {
  const { context, take } = open(2)
  const { signal } = context
  context.close()
  t.true(signal.aborted)
  t.deepEqual(take(), ['close 1.0'])
  t.throws(() => context.publish(happened, ['x']), notHere)
})

test('its caller is whoever makes the call that is answered now', (t) => {
  const { context, around, caller } = open()
  t.is(context.caller, caller)
  around.running = { caller: undefined }
  t.throws(() => context.caller, { ...notHere, message: /nobody calls node n1 now/ })
  around.running = undefined
  t.throws(() => context.caller, notHere)
})

test('a timer is set with the commit of its command, and calls with what it was given then (C12)', (t) => {
  const { context, clock, timers, commit } = open()
  const given = [{ n: 1 }]
  context.after(10, 'tick', given)
  given[0]!.n = 2
  clock.advance(100)
  t.deepEqual(timers, [], 'its command has not committed')
  commit()
  clock.advance(9)
  t.deepEqual(timers, [])
  clock.advance(1)
  t.like(timers, [{ label: null, method: 'tick', args: [{ n: 1 }] }])
  t.true(timers[0]!.timer.begin())
})

test('a timer of a simulation object calls the version that it implements', (t) => {
  const { context, clock, timers, commit } = open(7)
  context.after(10, 'tick', [])
  commit()
  clock.advance(10)
  t.like(timers, [{ label: 7, method: 'tick' }])
})

test('the timers of an object end with it', (t) => {
  const { context, clock, timers, commit } = open()
  context.after(10, 'tick', [])
  commit()
  context.after(10, 'tick', [])
  context.stop()
  commit()
  clock.advance(100)
  t.deepEqual(timers, [])
  t.is(clock.timers, 0)
})

test('a timer that can’t ring is refused where it is set', (t) => {
  const { context, take } = open()
  for (const [ms, method, message] of [
    [-1, 'tick', /after\(-1, …\): use a number of milliseconds, 0 or more/],
    [Number.NaN, 'tick', /after\(NaN, …\)/],
    [Number.POSITIVE_INFINITY, 'tick', /after\(Infinity, …\)/],
    ['5', 'tick', /after\(a string, …\)/],
    [5, 'tock', /after\(5, "tock"\): Self\.v1 has no such remote method; it has tick/],
    [5, () => {}, /after\(5, a function\)/],
  ] as const)
    t.throws(() => context.after(ms as number, method as string, []), { code: 'config.invalid', message })
  t.notThrows(() => context.after(0, 'tick', []))
  context.after(1, 'tick', [])
  t.throws(() => context.after(1, 'tick', []), { code: 'unavailable.overloaded' })
  t.deepEqual(take(), [])
})

test('an object has the host’s clock and chance, and touches its own state', (t) => {
  const { context, clock, take } = open()
  t.is(context.now(), clock.now())
  t.is(context.random(), 0.25)
  t.is(context.nodeId, 'n1')
  context.touch()
  t.deepEqual(take(), ['touch 1.0'])
})
