/**
 * A name that a caller gives becomes a subject only if it is a name, and a subject carries its
 * own kind of envelopes alone.
 */
import test from 'ava'
import { encodeCall } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { command, event, hears, NodeObject, query } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

const rang = event<[where: string]>('rang')

class BellV1 extends NodeObject<{ rung: string[] }> {
  static override readonly className = 'Bell.v1'
  static override initial() {
    return { rung: [] as string[] }
  }
  @hears(rang) hear(where: string): void {
    this.state.rung.push(where)
  }
  @command silence(): void {
    this.state.rung.push('silenced')
  }
  @query rung(): string[] {
    return this.state.rung
  }
  /** Takes the id from its caller. */
  @command async relay(id: string): Promise<string[]> {
    return await this.ref(BellV1, id).rung()
  }
  @command relayAway(id: string): void {
    this.sender(BellV1, id).silence()
  }
}

const bad = ['x 0\r\n\r\nPUB theseus.t.node.b 2\r\nhi', 'a b', 'a.b', '*', '>', '', 'ü', 'a\0b', '-a', 'x'.repeat(65)]

test('an id that is no name becomes no subject, in an object and outside, and nothing is sent', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('a')
  await host.node(BellV1, 'b')
  const b = system.desk.ref(BellV1, 'b')
  for (const id of bad) {
    t.is(await codeOf(b.relay(id)), 'protocol.bad-arguments', JSON.stringify(id))
    t.is(await codeOf(b.relayAway(id)), 'protocol.bad-arguments', JSON.stringify(id))
    const error = t.throws(() => system.desk.ref(BellV1, id), undefined, JSON.stringify(id))
    t.regex(error.message, /is not the name of a node id: use 1 to 64 letters/)
    const { operator } = system.desk.running
    t.is(await codeOf((async () => operator.call({ node: id }, 'rung', [], { version: 0 }))()), 'protocol.bad-arguments')
  }
  t.deepEqual(await b.rung(), [])
})

test('a subject that would be more than one, or a command of its own, is refused by the transport', async (t) => {
  const system = await TestSystem.start(t)
  const { transport } = system.desk
  for (const subject of ['a b', 'a\r\nPUB x 0', 'a.*', 'a.>', '', '.a', 'a.', 'a..b', 'a\tb', 'é'])
    t.throws(
      () => transport.publish(subject, new Uint8Array()),
      { code: 'protocol.bad-arguments' } as never,
      JSON.stringify(subject),
    )
  t.throws(() => transport.publish('a', new Uint8Array(), 'b c'), { code: 'protocol.bad-arguments' } as never)
})

test('a right to publish events is no right to call, and a right to call is none to publish', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('a')
  await host.node(BellV1, 'b')
  const b = system.desk.ref(BellV1, 'b')
  const { node, service, event: eventSubject, introduced } = subjectsOf(system.name)
  let seq = 0
  const envelope = (kind: 1 | 2 | 3, method: string) =>
    encodeCall({
      kind,
      label: 0,
      seq: ++seq,
      method,
      args: ['here'],
      deadlineMs: 5_000,
      caller: 'stranger',
      incarnation: 1,
      callerClass: 'Stranger',
      callerVersion: 0,
      expects: null,
      path: null,
      trace: null,
      together: false,
    })
  const { transport } = system.desk
  const letters = () => host.events.filter(({ type }) => type === 'deadLetter').length
  const refused = async (subject: string, kind: 1 | 2 | 3, method: string) => {
    const before = letters()
    transport.publish(subject, envelope(kind, method))
    await until(() => letters() > before, `${subject} refuses kind ${kind}`)
  }
  await refused(eventSubject('rang'), kinds.call, 'silence')
  await refused(eventSubject('rang'), kinds.send, 'silence')
  await refused(introduced, kinds.send, 'silence')
  await refused(node('b'), kinds.event, 'rang')
  await refused(service('bell'), kinds.event, 'rang')
  t.deepEqual(await b.rung(), [])
  transport.publish(eventSubject('rang'), envelope(kinds.event, 'rang'))
  await until(async () => (await b.rung()).length === 1, 'an event on its own subject is heard')
})
