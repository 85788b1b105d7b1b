/** Timers of simulation objects: calls of the version that the SO implements, as long as the SO is there. */
import test, { type ExecutionContext } from 'ava'
import {
  command,
  defineUpgrade,
  futureSO,
  NodeObject,
  pastSO,
  query,
  type SchedulingView,
  schedule,
  upgradeClass,
} from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, type Deaths, gate, type Settings, TestSystem } from '../support/testSystem.js'

/** A lamp that can blink, which version 1 forgets. */
class LampV1 extends NodeObject<{ log: string[]; blinks: string[] }> {
  static override readonly className: string = 'Lamp.v1'
  static override initial() {
    return { log: [] as string[], blinks: [] as string[] }
  }
  @command note(what: string): void {
    this.state.log.push(what)
  }
  @command async busy(name: string): Promise<void> {
    this.state.log.push('busy')
    await gates.get(name)!.pass()
    this.state.log.push('free')
  }
  @query log(): string[] {
    return this.state.log
  }
  @command blinkLater(ms: number): void {
    this.after(ms, 'blink', 'object')
  }
  @command blink(by: string): void {
    this.state.blinks.push(by)
  }
  @query blinks(): string[] {
    return this.state.blinks
  }
}

/** A lamp that can be dimmed. */
class LampV2 extends NodeObject<{ log: string[]; dims: string[] }> {
  static override readonly className: string = 'Lamp.v2'
  static override initial() {
    return { log: [] as string[], dims: [] as string[] }
  }
  @command note(what: string): void {
    this.state.log.push(what)
  }
  @query log(): string[] {
    return this.state.log
  }
  @command dimLater(ms: number): void {
    this.after(ms, 'dim', 'object')
  }
  @command async dim(by: string): Promise<void> {
    this.state.dims.push(by)
  }
  @query dims(): string[] {
    return this.state.dims
  }
  @command dimLaterAndFail(ms: number): void {
    this.after(ms, 'dim', 'failed')
    throw new Error('not dimmed after all')
  }
}

const gates = new Map<string, ReturnType<typeof gate>>()

const dimAhead = futureSO({
  simulates: LampV2,
  over: LampV1,
  initial: () => ({ dims: [] as string[] }),
  delegates: ['note', 'log'],
  methods: {
    dimLater(ms) {
      this.after(ms, 'dim', 'future-SO')
    },
    async dim(by) {
      this.state.dims.push(by)
      await this.next.note(`dimmed by ${by}`)
    },
    dims() {
      return this.state.dims
    },
    dimLaterAndFail(ms) {
      this.after(ms, 'dim', 'failed')
      throw new Error('not dimmed after all')
    },
  },
})

const blinkBehind = pastSO({
  simulates: LampV1,
  over: LampV2,
  initial: ({ blinks }) => ({ blinks }),
  delegates: ['note', 'log'],
  refuses: ['busy'],
  methods: {
    blinkLater(ms) {
      this.after(ms, 'blink', 'past-SO')
    },
    async blink(by) {
      this.state.blinks.push(by)
      await this.next.note(`blinked by ${by}`)
    },
    blinks() {
      return this.state.blinks
    },
  },
})

async function oneLamp(t: ExecutionContext, settings: Settings = {}, deaths: Deaths = {}) {
  const system = await TestSystem.start(t, settings, deaths)
  gates.set(system.name, gate())
  const go = gate()
  t.teardown(() => gates.get(system.name)!.open())
  const host = await system.host('h1')
  const node = await host.node(LampV1, 'l1')
  await system.publish(
    defineUpgrade({
      title: 'Lamps can be dimmed',
      classUpgrades: [
        upgradeClass({
          oldClass: LampV1,
          newClass: LampV2,
          futureSO: dimAhead,
          pastSO: blinkBehind,
          transform: (old, future) => ({ log: old.log, dims: future.dims }),
          schedule: schedule('when told', (_: SchedulingView) => go.opened),
        }),
      ],
    }),
  )
  await host.untilPhase('l1', 'scheduled')
  const at = <T>(version: number, method: string, args: unknown[], kind: 'query' | 'command') =>
    system.desk.running.operator.call({ node: 'l1' }, method, args, { version, kind, deadlineMs: 5_000 }) as Promise<T>
  const asked = (version: number, method: string) => at<string[]>(version, method, [], 'query')
  const told = (version: number, method: string, ...args: unknown[]) => at(version, method, args, 'command')
  return { system, host, node, go, gate: gates.get(system.name)!, asked, told }
}

test('a timer of a future-SO calls its own version, in one serial order with the calls of others', async (t) => {
  const { system, host, gate, asked, told } = await oneLamp(t)
  await told(1, 'dimLater', 5)
  const busy = told(0, 'busy', system.name)
  await until(() => gate.waiting === 1, 'the object is busy')
  await until(() => host.running.status().nodes[0]!.waiting === 1, 'the timer waits for its turn')
  gate.open()
  await busy
  await until(async () => (await asked(1, 'dims')).length === 1, 'the timer has called')
  t.deepEqual(await asked(1, 'dims'), ['future-SO'])
  t.deepEqual(await asked(0, 'log'), ['busy', 'free', 'dimmed by future-SO'])
  // Its write is kept as anything that an SO writes.
  const again = await system.host('h2', { state: host.kill() })
  await again.node(LampV1, 'l1')
  t.deepEqual(await asked(1, 'dims'), ['future-SO'])
})

test('a timer of a future-SO ends with it at the flip: the new object hears nothing of it', async (t) => {
  const { system, node, go, asked, told } = await oneLamp(t)
  await told(1, 'dimLater', 60_000)
  go.open()
  await node.reached(1)
  await told(1, 'dimLater', 60_000)
  await system.clock.passes(120_000)
  await until(async () => (await asked(1, 'dims')).length > 0, 'the object’s own timer has called')
  t.deepEqual(await asked(1, 'dims'), ['object'])
})

test('a timer of a past-SO calls the old version, and its method goes on through the next object', async (t) => {
  const { system, node, go, asked, told } = await oneLamp(t)
  await told(0, 'blinkLater', 60_000)
  go.open()
  await node.reached(1)
  await told(0, 'blinkLater', 1_000)
  await system.clock.passes(120_000)
  await until(async () => (await asked(0, 'blinks')).length > 0, 'the timer has called')
  t.deepEqual(await asked(0, 'blinks'), ['past-SO'])
  t.deepEqual(await asked(1, 'log'), ['blinked by past-SO'])
})

test('a command of an SO that fails has set no timer (C12), and an SO has no more than its bound', async (t) => {
  const { system, asked, told } = await oneLamp(t, { timersMax: 2 })
  t.is(await codeOf(told(1, 'dimLaterAndFail', 5)), 'application.error')
  await told(1, 'dimLater', 50_000)
  await told(1, 'dimLater', 50_000)
  t.is(await codeOf(told(1, 'dimLater', 5)), 'application.error')
  await system.clock.passes(1_000)
  t.deepEqual(await asked(1, 'dims'), [])
})

test('a timer of a past-SO whose version dies calls nobody', async (t) => {
  const { system, node, go, asked, told } = await oneLamp(
    t,
    { askServerMs: 10, firstAnswerMs: 2_000, heldAnswerMs: 500 },
    { deathDelay: 20, deathRound: 5 },
  )
  go.open()
  await node.reached(1)
  await told(0, 'blinkLater', 60_000)
  await until(async () => (await codeOf(asked(0, 'blinks'))) === 'version.dead', 'version 0 is dead')
  await system.clock.passes(120_000)
  t.deepEqual(await asked(1, 'log'), [])
})
