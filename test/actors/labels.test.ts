/**
 * A message of an object or an SO is labelled with the version that it implements (§3, §5), and says which
 * start of the node it comes from.
 */
import test, { type ExecutionContext } from 'ava'
import { decode } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { command, defineUpgrade, event, futureSO, NodeObject, pastSO, query, schedule, upgradeClass } from '../../index.js'
import { memoryTransport } from '../../transports/memory/index.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { tickerUpgrade } from './notesClasses.js'

const spoken = event<[text: string]>('spoken')

class Listener extends NodeObject {
  static override readonly className = 'Listener.v1'
  @command hear(_text: string): void {}
}

class SpeakerV1 extends NodeObject<{ said: number }> {
  static override readonly className: string = 'Speaker.v1'
  static override readonly calls = [Listener]
  static override readonly publishes = [spoken]
  static override initial() {
    return { said: 0 }
  }
  /** Made once, when the object starts. */
  #kept: { hear(text: string): void } | undefined

  protected override start(): void {
    this.#kept = this.sender(Listener, 'ghost')
  }

  @command say(text: string): void {
    this.state.said++
    this.sender(Listener, 'ghost').hear(text)
  }

  @command ask(text: string): void {
    this.ref(Listener, 'ghost')
      .hear(text)
      .catch(() => {})
  }

  @command sayToKept(text: string): void {
    this.state.said++
    this.#kept!.hear(text)
  }
}

class SpeakerV2 extends NodeObject<{ said: number }> {
  static override readonly className: string = 'Speaker.v2'
  static override readonly calls = [Listener]
  static override readonly publishes = [spoken]
  static override initial() {
    return { said: 0 }
  }
  @command whisper(text: string): void {
    this.state.said++
    this.sender(Listener, 'ghost').hear(text)
  }
  @query said(): string {
    return `${this.state.said}`
  }
}

/** A future-SO and a past-SO that do by themselves what the next object can't. */
function speakers(go: () => Promise<void>) {
  return defineUpgrade({
    title: 'Speakers whisper',
    classUpgrades: [
      upgradeClass({
        oldClass: SpeakerV1,
        newClass: SpeakerV2,
        futureSO: futureSO({
          simulates: SpeakerV2,
          over: SpeakerV1,
          methods: {
            whisper(text) {
              this.ref(Listener, 'ghost')
                .hear(text)
                .catch(() => {})
              this.publish(spoken, text)
            },
            said() {
              return `${this.nodeId} at ${this.now()} ${this.random()}`
            },
          },
        }),
        pastSO: pastSO({
          simulates: SpeakerV1,
          over: SpeakerV2,
          methods: {
            say(text) {
              this.ref(Listener, 'ghost')
                .hear(text)
                .catch(() => {})
              this.publish(spoken, text)
            },
            ask(text) {
              this.refuse(`nobody asks ${text}`)
            },
            sayToKept(text) {
              this.refuse(`nobody keeps ${text}`)
            },
          },
        }),
        transform: (old) => ({ said: old.said }),
        schedule: schedule('when told', go),
      }),
    ],
  })
}

/** The messages to a node that is not there, and those that are published: as they travel. */
function tap(t: ExecutionContext, system: TestSystem) {
  const seen: CallEnvelope[] = []
  const transport = memoryTransport(system.broker)
  const subjects = subjectsOf(system.name)
  const hear = ({ payload }: { payload: Uint8Array }) => {
    for (const envelope of decode(payload))
      if (envelope.kind !== kinds.reply && envelope.kind !== kinds.fault) seen.push(envelope as never)
  }
  const subscriptions = [transport.subscribe(subjects.node('ghost'), hear), transport.subscribe(subjects.event('spoken'), hear)]
  t.teardown(() => Promise.all(subscriptions.map((each) => each.drain())))
  /** The newest that carries the text, from each kind of sending. */
  return async (text: string, count = 1) => {
    const found = () => seen.filter(({ args }) => args[0] === text)
    await until(() => found().length >= count, `${count} that say "${text}"`)
    return found()
  }
}

test('calls and events of an SO are labelled with the version that it implements, whatever version its node runs', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const seen = tap(t, system)
  const node = await host.node(SpeakerV1, 's1')
  const go = gate()
  await system.publish(speakers(() => go.opened))
  await host.untilPhase('s1', 'scheduled')
  const v0 = system.desk.ref(SpeakerV1, 's1', { version: 0 })
  const v1 = system.desk.ref(SpeakerV2, 's1', { version: 1 })
  const labels = (envelopes: readonly CallEnvelope[]) => envelopes.map(({ label, kind }) => [kind, label]).sort()
  await v0.say('object, old')
  t.deepEqual(labels(await seen('object, old')), [[kinds.send, 0]])
  await v1.whisper('future-SO')
  t.deepEqual(labels(await seen('future-SO', 2)), [
    [kinds.call, 1],
    [kinds.event, 1],
  ])
  go.open()
  await node.reached(1)
  await v1.whisper('object, new')
  t.deepEqual(labels(await seen('object, new')), [[kinds.send, 1]])
  await v0.say('past-SO')
  t.deepEqual(labels(await seen('past-SO', 2)), [
    [kinds.call, 0],
    [kinds.event, 0],
  ])
})

test('an SO has its node’s name, the host’s clock and the host’s chance', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(SpeakerV1, 's1')
  await system.publish(speakers(() => new Promise(() => {})))
  await host.untilPhase('s1', 'scheduled')
  const before = system.clock.now()
  const said = await system.desk.ref(SpeakerV2, 's1', { version: 1 }).said()
  const [, nodeId, at, chance] = /^(\w+) at (\d+) ([\d.e-]+)$/.exec(said)!
  t.is(nodeId, 's1')
  t.true(Number(at) >= before && Number(at) <= system.clock.now())
  t.true(Number(chance) >= 0 && Number(chance) < 1)
})

test('a reference that an object keeps is labelled with the version of the node when it is used, not when it was made', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const seen = tap(t, system)
  const node = await host.node(SpeakerV1, 's1')
  await system.desk.ref(SpeakerV1, 's1', { version: 0 }).sayToKept('before')
  t.deepEqual(
    (await seen('before')).map(({ label }) => label),
    [0],
  )
  // It concerns another service: the node's object goes on, at the new version.
  await system.publish(tickerUpgrade())
  await node.reached(1)
  await system.desk.ref(SpeakerV1, 's1', { version: 1 }).sayToKept('after')
  t.deepEqual(
    (await seen('after')).map(({ label, callerVersion }) => [label, callerVersion]),
    [[1, 1]],
  )
})

test('each start of a node has a number of its own, greater than those before: its calls are told apart from earlier ones', async (t) => {
  const system = await TestSystem.start(t)
  const seen = tap(t, system)
  let host = await system.host('h1')
  const starts: number[] = []
  for (const text of ['first', 'second', 'third']) {
    await host.node(SpeakerV1, 's1')
    await system.desk.ref(SpeakerV1, 's1', { version: 0 }).say(text)
    starts.push((await seen(text))[0]!.incarnation)
    // The second time without a word.
    if (text === 'first') await host.stop()
    else host.kill()
    host = await system.host('h1', { state: host.state })
  }
  t.true(starts[0]! < starts[1]! && starts[1]! < starts[2]!, starts.join(', '))
})

test('a call that is made for another one has no later deadline than that, and says for which it is made', async (t) => {
  const system = await TestSystem.start(t, { callDeadlineMs: 60_000 })
  const host = await system.host('h1')
  const seen = tap(t, system)
  await host.node(SpeakerV1, 's1')
  const said = async (text: string, deadline: string) => {
    await system.desk.ref(SpeakerV1, 's1', { version: 0, deadline: deadline as '5s' }).ask(text)
    return (await seen(text))[0]!
  }
  const short = await said('short', '5s')
  t.true(short.deadlineMs > 0 && short.deadlineMs <= 5_000, `${short.deadlineMs} ms`)
  const long = await said('long', '10m')
  t.true(long.deadlineMs > 5_000 && long.deadlineMs <= 60_000, `${long.deadlineMs} ms`)
  t.is(long.path?.length, 1)
  t.not(long.path?.[0], short.path?.[0])
  t.deepEqual([long.caller, long.callerClass], ['s1', 'Speaker.v1'])
})
