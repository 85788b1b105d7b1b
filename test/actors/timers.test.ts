/** Timers are sends to oneself: they leave with the commit of the command that sets them (C12). */
import test, { type ExecutionContext } from 'ava'
import { ObjectTimers } from '../../actors/serving/objectTimers.js'
import { command, defineUpgrade, NodeObject, notNeeded, query, schedule, upgradeClass } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, type Gate, gate, type Settings, TestSystem } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

/** Rings after all that were set before it on the hosts' clock for no longer. */
let laterTimer: () => Promise<void>

class Alarm extends NodeObject<{ set: number; rung: number }> {
  static override readonly className = 'Alarm.v1'
  static override initial() {
    return { set: 0, rung: 0 }
  }

  @command set(): void {
    this.state.set++
    this.after(0, 'ring')
  }

  @command async setAndFail(): Promise<void> {
    this.state.set++
    this.after(0, 'ring')
    // The timer comes while the command runs, and waits for its turn.
    await laterTimer()
    throw new Error('not set after all')
  }

  @command ring(): void {
    this.state.rung++
  }

  @query look(): { set: number; rung: number } {
    return { ...this.state }
  }
}

// A timer rang whose command was lost.
test('a timer of a command that failed, or whose commit was lost, never rings', async (t) => {
  const system = await TestSystem.start(t)
  laterTimer = () => system.clock.passes(2)
  const host = await system.host('h1')
  await host.node(Alarm, 'a1')
  const alarm = system.desk.ref(Alarm, 'a1', { version: 0 })
  t.is(await codeOf(alarm.setAndFail()), 'application.error')
  t.deepEqual(await alarm.look(), { set: 0, rung: 0 })
  // The disk takes so long that a timer set at once would have rung before the commit is lost.
  const disk = gate()
  host.state.beforeCommit = () => disk.pass()
  const lost = codeOf(alarm.set())
  await until(() => disk.waiting === 1, 'the commit waits')
  await laterTimer()
  host.state.beforeCommit = undefined
  disk.fail(new Error('disk full'))
  t.is(await lost, 'unavailable.storage')
  t.deepEqual(await alarm.look(), { set: 0, rung: 0 })
  await alarm.set()
  await until(async () => (await alarm.look()).rung > 0, 'the timer that was set rings')
  t.deepEqual(await alarm.look(), { set: 1, rung: 1 })
})

const gates = new Map<string, Gate>()
/** Objects made so far of a node's. */
const made = new Map<string, number>()
/** How often a node was asked to set many. */
const asked = new Map<string, number>()

function belfry(version: number) {
  class Belfry extends NodeObject<{ log: string[] }> {
    static override readonly className = `Belfry.v${version}`
    static override initial() {
      return { log: [] }
    }
    /** Which object of the node this is. */
    #number = 0

    override start(): void {
      this.#number = (made.get(this.nodeId) ?? 0) + 1
      made.set(this.nodeId, this.#number)
      this.after(0, 'ring', `start of ${this.#number}`)
    }

    @command set(ms: number): void {
      this.state.log.push('set')
      this.after(ms, 'ring', `set by ${this.#number}`)
    }

    /** Sets a timer that is due at once, when it may, and keeps the node busy until it may end. */
    @query async arm(): Promise<void> {
      await gates.get(`${this.nodeId} arm`)!.pass()
      this.after(0, 'ring', `armed by ${this.#number}`)
      await gates.get(`${this.nodeId} armed`)!.pass()
    }

    @command setMany(count: number): void {
      asked.set(this.nodeId, (asked.get(this.nodeId) ?? 0) + 1)
      for (let i = 0; i < count; i++) this.after(3_600_000, 'ring', 'much later')
    }

    @command async setManyAndFail(count: number): Promise<void> {
      this.setMany(count)
      throw new Error('none of these')
    }

    @command setWrong(ms: unknown, method: string): void {
      this.after(ms as number, method)
    }

    @command async busy(how: 'fails' | 'ends'): Promise<void> {
      this.state.log.push(how)
      await gates.get(this.nodeId)!.pass()
      if (how === 'fails') throw new Error('after it has written')
    }

    @command ring(what: string): void {
      this.state.log.push(what)
    }

    @query log(): readonly string[] {
      return this.state.log
    }
  }
  return Belfry
}

const [BelfryV1, BelfryV2] = [belfry(1), belfry(2)]

/** A node whose first timer has rung. */
async function ringing(t: ExecutionContext, nodeId: string, settings: Settings = {}) {
  const [busy, arm, armed] = [gate(), gate(), gate()]
  gates.set(nodeId, busy).set(`${nodeId} arm`, arm).set(`${nodeId} armed`, armed)
  const system = await TestSystem.start(t, settings)
  t.teardown(() => {
    for (const each of [busy, arm, armed]) each.open()
  })
  const host = await system.host('h1')
  const node = await host.node(BelfryV1, nodeId)
  const ref = system.desk.ref(BelfryV1, nodeId, { version: 0, deadline: '10s' })
  const rung = (what: string) => until(async () => (await ref.log()).includes(what), `${what} has rung`)
  await rung('start of 1')
  const waiting = (count: number) =>
    until(() => host.running.status().nodes[0]!.waiting === count, `${count} wait for their turn`)
  /** Keeps the node busy until the gate opens, and has a timer wait behind that. */
  const occupy = async (how: 'fails' | 'ends') => {
    const arming = ref.arm()
    await until(() => arm.waiting === 1, 'the timer can be set')
    const code = codeOf(ref.busy(how))
    await waiting(1)
    arm.open()
    await waiting(2)
    armed.open()
    await arming
    await until(() => busy.waiting === 1, 'the node is busy')
    return { code }
  }
  return { system, host, node, ref, busy, rung, occupy, waiting }
}

test('a timer that waits for its turn ends with its object: a command before it fails after it has written', async (t) => {
  const { ref, busy, rung, occupy } = await ringing(t, 'queued')
  const failing = await occupy('fails')
  busy.open()
  t.is(await failing.code, 'application.error')
  await rung('start of 2')
  t.deepEqual(await ref.log(), ['start of 1', 'start of 2'])
})

test('a timer that waits for its turn ends with its object: the node upgrades behind the command before it', async (t) => {
  const { system, host, node, busy, occupy } = await ringing(t, 'upgraded')
  const go = gate()
  const transform = (old: { log: string[] }) => old
  await system.publish(
    defineUpgrade({
      title: 'Another belfry',
      classUpgrades: [
        upgradeClass({
          oldClass: BelfryV1,
          newClass: BelfryV2,
          futureSO: notNeeded,
          pastSO: notNeeded,
          transform,
          schedule: schedule('when told', () => go.opened),
        }),
      ],
    }),
  )
  await host.untilPhase('upgraded', 'scheduled')
  const ending = await occupy('ends')
  go.open()
  await host.untilPhase('upgraded', 'draining')
  busy.open()
  t.is(await ending.code, 'answered undefined')
  await node.reached(1)
  const after = system.desk.ref(BelfryV2, 'upgraded', { version: 1 })
  await until(async () => (await after.log()).includes('start of 2'), 'the new object rings')
  t.deepEqual(await after.log(), ['start of 1', 'ends', 'start of 2'])
})

test('a timer that is not due yet ends with its object, and holds nothing of the clock', (t) => {
  const clock = new ManualClock()
  const timers = new ObjectTimers(clock, 10)
  const due: string[] = []
  const [first, second, third] = [timers.reserve(), timers.reserve(), timers.reserve()]
  timers.set(first, 10, () => void (first.begin() && due.push('first')))
  timers.set(second, 20, () => void (second.begin() && due.push('second')))
  clock.advance(15)
  timers.stop()
  t.is(clock.timers, 0)
  timers.set(third, 10, () => due.push('set after the end'))
  clock.advance(1_000)
  t.deepEqual(due, ['first'])
})

test('a timer whose object has stopped before its commit is not set', async (t) => {
  const { host, ref, busy, rung } = await ringing(t, 'uncommitted')
  const disk = gate()
  host.state.beforeCommit = () => disk.pass()
  const set = ref.set(0)
  await until(() => disk.waiting === 1, 'the commit waits')
  const failing = codeOf(ref.busy('fails'))
  await until(() => busy.waiting === 1, 'the node is busy')
  busy.open()
  host.state.beforeCommit = undefined
  await until(() => made.get('uncommitted') === 2, 'the object is made anew')
  disk.open()
  await set
  t.is(await failing, 'application.error')
  await ref.set(0)
  await rung('set by 2')
  t.deepEqual(
    (await ref.log()).filter((what) => what.startsWith('set by')),
    ['set by 2'],
  )
})

test('a timer that is due while the node is busy for longer than a call may take rings once, afterwards', async (t) => {
  const { system, host, ref, busy, rung, occupy } = await ringing(t, 'long', { callDeadlineMs: 5 })
  const ending = await occupy('ends')
  await system.clock.passes(20)
  busy.open()
  t.is(await ending.code, 'answered undefined')
  await rung('armed by 1')
  t.deepEqual(await ref.log(), ['start of 1', 'ends', 'armed by 1'])
  t.deepEqual(host.warnings(), [])
})

test('a timer that meets a full mailbox rings once it has room, also while the host stops', async (t) => {
  const { system, host, ref, busy, occupy } = await ringing(t, 'full', {
    mailboxCallsMax: 1,
    retryPauseMs: 1_000,
    retryPauseMsMax: 1_000,
  })
  const ending = await occupy('ends')
  const impatient = system.desk.ref(BelfryV1, 'full', { version: 0, deadline: 2_400 })
  t.is(await codeOf(impatient.ring('refused')), 'unavailable.overloaded')
  const stopped = host.running.stop()
  busy.open()
  t.is(await ending.code, 'answered undefined')
  await stopped
  const again = await system.host('h2', { state: host.state })
  await again.node(BelfryV1, 'full')
  t.deepEqual((await ref.log()).slice(0, 3), ['start of 1', 'ends', 'armed by 1'])
})

test('an object has a bounded number of timers, and one more is refused where it is set', async (t) => {
  const { ref, rung } = await ringing(t, 'many', { timersMax: 3 })
  t.is(await codeOf(ref.setManyAndFail(3)), 'application.error')
  await ref.setMany(1)
  await t.throwsAsync(async () => ref.setMany(3), { message: /after\(\): this object has 3 timers already/ })
  await ref.setMany(1)
  // One that has rung makes room.
  await ref.set(0)
  await rung('set by 1')
  await ref.setMany(1)
  t.is(await codeOf(ref.setMany(1)), 'application.error')
})

test('timers that are set outside of calls count as long as they are set, and no longer', (t) => {
  const clock = new ManualClock()
  const timers = new ObjectTimers(clock, 2)
  for (let i = 0; i < 10; i++) {
    for (let each = 0; each < 2; each++) {
      const timer = timers.reserve()
      timers.set(timer, 10, () => void timer.begin())
    }
    t.throws(() => timers.reserve(), { message: /this object has 2 timers already/ })
    clock.advance(10)
  }
})

test('timers of several commands that wait for one commit count together, and those of a failed one no more', async (t) => {
  const { host, ref } = await ringing(t, 'slow-disk', { timersMax: 3 })
  const disk = gate()
  host.state.beforeCommit = () => disk.pass()
  const first = codeOf(ref.set(3_600_000))
  await until(() => disk.waiting === 1, 'the commit waits')
  const others = [codeOf(ref.setManyAndFail(2)), codeOf(ref.setMany(2)), codeOf(ref.setMany(1))]
  await until(() => asked.get('slow-disk') === 3, 'they have run')
  host.state.beforeCommit = undefined
  disk.open()
  t.deepEqual(await Promise.all([first, ...others]), [
    'answered undefined',
    'application.error',
    'answered undefined',
    'application.error',
  ])
})

class Ringers extends NodeObject<{ rung: number }> {
  static override readonly className = 'Ringers.v1'
  static override readonly reentrant = true
  static override initial() {
    return { rung: 0 }
  }

  /** Each of these runs inside `both`, and asks for its timers in turn with the other. */
  @command async some(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      this.after(3_600_000, 'ring')
      await null
    }
  }
  @command async both(count: number): Promise<void> {
    const me = this.ref(Ringers, this.nodeId)
    await Promise.all([me.some(count), me.some(count)])
  }
  @command ring(): void {
    this.state.rung++
  }
  @query rung(): number {
    return this.state.rung
  }

  override start(): void {
    if (this.nodeId !== 'hears') return
    // Like what a socket hears: no call runs.
    const again = setInterval(() => this.after(0, 'ring'), 1)
    this.signal.addEventListener('abort', () => clearInterval(again))
  }
}

test('an object may go on setting timers outside of calls, and calls inside a command share its bound', async (t) => {
  const system = await TestSystem.start(t, { timersMax: 20 })
  const host = await system.host('h1')
  const [hears, works] = ['hears', 'works'].map((id) => system.desk.ref(Ringers, id, { version: 0 }))
  for (const id of ['hears', 'works']) await host.node(Ringers, id)
  await until(async () => (await hears!.rung()) > 50, 'more have rung than may be set at once')
  t.is(await codeOf(works!.both(15)), 'application.error')
  t.is(await codeOf(works!.both(10)), 'answered undefined')
})

for (const [ms, method, message] of [
  [Number.NaN, 'ring', /after\(NaN, …\): use a number of milliseconds/],
  [Number.POSITIVE_INFINITY, 'ring', /after\(Infinity, …\)/],
  [-1, 'ring', /after\(-1, …\)/],
  ['5s', 'ring', /after\(a string, …\)/],
  [null, 'ring', /after\(a object, …\)/],
  [1, 'rings', /after\(1, "rings"\): Belfry.v1 has no such remote method; it has .*ring/],
  [1, 'start', /after\(1, "start"\)/],
] as const) {
  test(`after(${ms}, '${method}') is refused where it is written`, async (t) => {
    const { ref } = await ringing(t, `wrong ${ms} ${method}`.replaceAll(/\W/g, '-'))
    await t.throwsAsync(async () => ref.setWrong(ms, method), { message })
  })
}
