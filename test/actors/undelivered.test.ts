/** Sends and events that are not carried out: nobody waits for an answer, so an operator hears of each. */
import test, { type ExecutionContext } from 'ava'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { command, defineUpgrade, eagerly, event, hears, NodeObject, none, notNeeded, query, upgradeClass } from '../../index.js'
import { until } from '../support/eventually.js'
import { gate, type Settings, type TestHost, TestSystem } from '../support/testSystem.js'

const rung = event<[door: string]>('rung')

class BellV1 extends NodeObject<{ heard: string[] }> {
  static override readonly className: string = 'Bell.v1'
  static override initial() {
    return { heard: [] as string[] }
  }
  @command ring(who: string): void {
    if (who === 'nobody') throw new Error('nobody rings')
    this.state.heard.push(who)
  }
  @hears(rung) doorbell(door: string): void {
    this.state.heard.push(door)
  }
  @query heard(): string[] {
    return this.state.heard
  }
  @command setAlarm(ms: number): void {
    this.after(ms, 'ring', 'alarm')
  }
}

class BellV2 extends BellV1 {
  static override readonly className: string = 'Bell.v2'
}

class DoorV1 extends NodeObject<object> {
  static override readonly className: string = 'Door.v1'
  static override readonly publishes = [rung]
  static override initial() {
    return {}
  }
  @command push(): void {
    this.publish(rung, this.nodeId)
  }
}

type Letter = Extract<HostEvent, { type: 'deadLetter' }>

const lettersOf = (host: TestHost) => host.events.filter((each): each is Letter => each.type === 'deadLetter')
const told = ({ fault, letter }: Letter) => `${letter?.kind} ${letter?.method} of ${letter?.caller.node}: ${fault.code}`

async function oneBell(t: ExecutionContext, settings: Settings = {}) {
  const system = await TestSystem.start(t, settings)
  const host = await system.host('h1')
  await host.node(BellV1, 'b1')
  await host.node(DoorV1, 'd1')
  const transforming = gate()
  t.teardown(() => transforming.open())
  const upgrade = defineUpgrade({
    title: 'A better bell',
    classUpgrades: [
      upgradeClass({
        oldClass: BellV1,
        newClass: BellV2,
        futureSO: notNeeded,
        pastSO: none,
        schedule: eagerly(),
        transform: async ({ heard }) => {
          await transforming.pass()
          return { heard }
        },
      }),
    ],
  })
  const untilItTransforms = async () => {
    await system.publish(upgrade)
    await until(() => transforming.waiting > 0, 'the transform runs')
  }
  return { system, host, transforming, untilItTransforms }
}

test('a send and an event that a long transform outlasts are dead letters, with who sent what, and why', async (t) => {
  const { system, host, transforming, untilItTransforms } = await oneBell(t)
  await untilItTransforms()
  system.desk.sender(BellV1, 'b1', { deadline: 500 }).ring('ann')
  await system.desk.ref(DoorV1, 'd1', { version: 0, deadline: 500 }).push()
  await until(() => lettersOf(host).length === 2, 'both are told of')
  t.deepEqual(lettersOf(host).map(told).sort(), [
    'event rung of d1: unavailable.upgrading',
    'send ring of desk: unavailable.upgrading',
  ])
  t.like(lettersOf(host)[0], { subject: `theseus.${system.name}.node.b1`, letter: { nodeId: 'b1' } })
  transforming.open()
  await until(async () => (await host.untilPhase('b1', 'current')).version === 1, 'the upgrade ends')
  t.deepEqual(await system.desk.ref(BellV2, 'b1', { version: 1 }).heard(), [])
  t.is(lettersOf(host).length, 2)
})

test('a send and an event that the transform does not outlast are carried out, and are no dead letters', async (t) => {
  const { system, host, transforming, untilItTransforms } = await oneBell(t)
  await untilItTransforms()
  system.desk.sender(BellV2, 'b1', { version: 1, deadline: 500 }).ring('ann')
  await system.desk.ref(DoorV1, 'd1', { version: 1, deadline: 500 }).push()
  transforming.open()
  const bell = system.desk.ref(BellV2, 'b1', { version: 1 })
  await until(async () => (await bell.heard()).length === 2, 'both are carried out')
  t.deepEqual(lettersOf(host), [])
})

test('a send that finds the mailbox full is a dead letter; the refused call beside it is told to its caller alone', async (t) => {
  const { system, host, untilItTransforms } = await oneBell(t, { mailboxCallsMax: 1 })
  await untilItTransforms()
  const waits = t.throwsAsync(system.desk.ref(BellV1, 'b1', { deadline: 400 }).ring('first'), { code: 'unavailable.upgrading' })
  system.desk.sender(BellV1, 'b1', { deadline: 400 }).ring('second')
  await until(() => lettersOf(host).length === 1, 'the second is told of')
  await waits
  t.deepEqual(lettersOf(host).map(told), ['send ring of desk: unavailable.overloaded'])
})

test('a send whose method has begun is no dead letter when that throws', async (t) => {
  const { system, host } = await oneBell(t)
  system.desk.sender(BellV1, 'b1').ring('nobody')
  system.desk.sender(BellV1, 'b1').ring('ann')
  await until(async () => (await system.desk.ref(BellV1, 'b1').heard()).length === 1, 'the second is carried out')
  t.deepEqual(lettersOf(host), [])
})

test('sends that wait at a node when it stops are dead letters; its own timers are none', async (t) => {
  const { system, host, transforming, untilItTransforms } = await oneBell(t)
  await system.desk.ref(BellV1, 'b1').setAlarm(50)
  await untilItTransforms()
  system.desk.sender(BellV1, 'b1', { deadline: 5_000 }).ring('ann')
  await system.clock.passes(100)
  const stopped = host.nodes.get('b1')!.stop()
  transforming.open()
  await stopped
  t.deepEqual(lettersOf(host).map(told), ['send ring of desk: unavailable.stopped'])
})
