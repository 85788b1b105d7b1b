/** A rollout in trouble pauses itself (healthGate); an operator's resume goes over known troubles. */
import test, { type ExecutionContext } from 'ava'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, schedule, upgradeClass } from '../../index.js'
import { until } from '../support/eventually.js'
import { type Deaths, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

/** n1 at once, the others when the control says that somebody has looked. */
const firstN1 = schedule('n1 first', async (view) => {
  if (view.nodeId !== 'n1') await view.until(async () => (await view.table('go')).has('on'))
})

async function open(t: ExecutionContext, server: Deaths = {}) {
  const events: HostEvent[] = []
  const system = await TestSystem.start(
    t,
    { controlsMs: 5, leaseMs: 600, limit: { percent: 100 } },
    { gateRound: 5, observe: (event) => void events.push(event), ...server },
  )
  const host = await system.host('h1')
  const { operator } = system.desk.running
  const paused = async (version = 1) =>
    (await operator.database.controls()).find((control) => control.kind === 'pause' && control.version === version)
  return { system, host, operator, events, paused }
}

test('a transform that throws on the first node pauses the rollout before the others go, and says why', async (t) => {
  const { system, host, operator, paused } = await open(t)
  for (const id of ['n1', 'n2']) await host.node(NotesV1, id)
  let transforms = 0
  const first = () => (++transforms === 1 ? Promise.reject(new Error('a row without a date')) : undefined)
  await system.publish(toV2({ schedule: firstN1, beforeTransform: first }))
  const pause = await until(() => paused(), 'the gate closes')
  t.true(pause?.kind === 'pause' && /node n1 is stalled: .*a row without a date/.test(pause.reason))
  await operator.database.setInTable('go', 'on', 'yes')
  await until(() => /the health gate closed/.test(host.last('n2')?.reason ?? ''), 'the other node waits, and says for what')
  // An operator who resumes has seen it: the same trouble does not pause again.
  await operator.resume(1)
  await host.nodes.get('n2')!.reached(1)
  t.is(await paused(), undefined)
  await operator.retry(1)
  await until(() => host.nodes.get('n1')!.version === 1, 'the first node gets there too')
})

test('a dry run says what it would do, and does nothing', async (t) => {
  const { system, host, events, paused } = await open(t, { gate: 'dry-run' })
  await host.node(NotesV1, 'n1')
  await system.publish(toV2({ beforeTransform: () => Promise.reject(new Error('no')) }))
  await until(() => events.some(({ type }) => type === 'gateClosed'), 'it is said')
  t.is(await paused(), undefined)
  t.like(
    events.find(({ type }) => type === 'gateClosed'),
    { version: 1, isDryRun: true },
  )
})

test('an upgrade whose gate is open is never paused', async (t) => {
  const { system, host, paused, operator } = await open(t)
  for (const id of ['n1', 'n2']) await host.node(NotesV1, id)
  let transforms = 0
  const first = () => (++transforms === 1 ? Promise.reject(new Error('no')) : undefined)
  await system.publish({ ...toV2({ schedule: firstN1, beforeTransform: first }), gate: null })
  await host.untilPhase('n1', 'stalled')
  await operator.database.setInTable('go', 'on', 'yes')
  await host.nodes.get('n2')!.reached(1)
  t.is(await paused(), undefined)
})

class AdderV1 extends NodeObject<{ sum: number }> {
  static override readonly className: string = 'Adder.v1'
  static override initial() {
    return { sum: 0 }
  }
  @command add(n: number): number {
    return (this.state.sum += n)
  }
  @query sum(): number {
    return this.state.sum
  }
}

class AdderV2 extends AdderV1 {
  static override readonly className: string = 'Adder.v2'
  @command override add(n: number): number {
    if (n % 3 === 0) throw new Error('it does not like multiples of three')
    return super.add(n)
  }
}

test('upgraded nodes whose methods throw more often than those of the others pause the rollout', async (t) => {
  const { system, host, paused } = await open(t)
  for (const id of ['n1', 'n2']) await host.node(AdderV1, id)
  const worse = upgradeClass({
    oldClass: AdderV1,
    newClass: AdderV2,
    futureSO: notNeeded,
    pastSO: notNeeded,
    transform: (old) => ({ sum: old.sum }),
    schedule: firstN1,
  })
  await system.publish(defineUpgrade({ title: 'Worse', classUpgrades: [worse], gate: { callsMin: 30 } }))
  await host.nodes.get('n1')!.reached(1)
  for (const id of ['n1', 'n2']) {
    const adder = host.ref(AdderV1, id, { version: 0 })
    await Promise.allSettled(Array.from({ length: 60 }, (_, i) => adder.add(i)))
  }
  const pause = await until(() => paused(), 'the gate closes')
  t.true(
    pause?.kind === 'pause' &&
      /of the calls to upgraded nodes of adder 33\.3 % throw, of those to the others 0\.0 %/.test(pause.reason),
  )
  t.is(host.nodes.get('n2')!.version, 0)
})

let takesLong: () => Promise<void>

class SlowAdder extends NodeObject<{ sum: number }> {
  static override readonly className = 'Adder.v3'
  static override initial() {
    return { sum: 0 }
  }
  @command async add(n: number): Promise<number> {
    await takesLong()
    return (this.state.sum += n)
  }
  @query sum(): number {
    return this.state.sum
  }
}

test('upgraded nodes whose methods take longer than those of the others pause the rollout', async (t) => {
  const { system, host, paused } = await open(t)
  takesLong = () => system.clock.passes(20)
  for (const id of ['n1', 'n2']) await host.node(AdderV1, id)
  const slower = upgradeClass({
    oldClass: AdderV1,
    newClass: SlowAdder,
    futureSO: notNeeded,
    pastSO: notNeeded,
    transform: (old) => ({ sum: old.sum }),
    schedule: firstN1,
  })
  await system.publish(defineUpgrade({ title: 'Slower', classUpgrades: [slower], gate: { callsMin: 30 } }))
  await host.nodes.get('n1')!.reached(1)
  for (const id of ['n1', 'n2']) {
    const adder = host.ref(AdderV1, id, { version: 0, deadline: '10s' })
    await Promise.all(Array.from({ length: 40 }, (_, i) => adder.add(i)))
  }
  const pause = await until(() => paused(), 'the gate closes')
  t.true(pause?.kind === 'pause' && /a call to an upgraded node of adder takes [\d.]+ ms on average/.test(pause.reason))
  t.is(host.nodes.get('n2')!.version, 0)
})

test('limits that can’t be are refused', (t) => {
  t.throws(() => defineUpgrade({ title: 'x', classUpgrades: [], gate: { moreFailuresMax: -1 } }), { code: 'upgrade.invalid' })
  t.throws(() => defineUpgrade({ title: 'x', classUpgrades: [], gate: { slowerMax: 0.5 } }), { code: 'upgrade.invalid' })
  t.is(defineUpgrade({ title: 'x', classUpgrades: [], gate: 'open' }).gate, null)
  t.truthy(eagerly())
})
