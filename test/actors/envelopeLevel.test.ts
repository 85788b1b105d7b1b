/** T2 of core/base/level.ts for envelopes: the level is written, and an answer has the format of its call. */
import test from 'ava'
import { CallingNode, callerFields } from '../../actors/calls/caller.js'
import { Fault } from '../../core/base/fault.js'
import { firstLevel, newestLevel } from '../../core/base/level.js'
import { encodeCall, encodeFault } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { WireReader } from '../../core/wire/wireReader.js'
import { command, event, hears, NodeObject, query } from '../../index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'
import { caller, inbox, open, origin, replier } from './callTableFixture.js'

/** The formats of the envelopes of a message. */
function formatsOf(payload: Uint8Array): readonly number[] {
  const formats: number[] = []
  for (const reader = new WireReader(payload); !reader.isAtEnd; ) {
    const items = reader.list()!
    formats.push(reader.value() as number)
    for (let i = 1; i < items; i++) reader.skip()
  }
  return formats
}

const rang = event('rang')

class BellV1 extends NodeObject<{ rings: number }> {
  static override readonly className: string = 'Bell.v1'
  static override readonly publishes = [rang]
  static override initial() {
    return { rings: 0 }
  }
  @command ring(): number {
    this.publish(rang)
    return ++this.state.rings
  }
  @hears(rang) onRang(): void {}
  @query who(): unknown {
    return { system: this.caller.system ?? null, host: this.caller.host ?? null }
  }
  @query fail(): void {
    throw new Error('no')
  }
}

for (const [title, level, format] of [
  ['below its level nobody writes envelope format 2', firstLevel, 1],
  ['at its level everybody writes it, and answers in it', newestLevel, 2],
] as const)
  test(title, async (t) => {
    const system = await TestSystem.start(t, {}, {}, { level })
    const host = await system.host('h1')
    await host.node(BellV1, 'b1')
    const seen = new Map<string, Set<number>>()
    const spy = system.desk.transport
    const subjects = subjectsOf(system.name)
    const note =
      (what: string) =>
      ({ payload }: { readonly payload: Uint8Array }) => {
        if (payload.length === 0) return
        const found = seen.get(what) ?? new Set()
        for (const each of formatsOf(payload)) found.add(each)
        seen.set(what, found)
      }
    spy.subscribe(subjects.node('b1'), note('calls'))
    spy.subscribe(subjects.event('rang'), note('events'))
    spy.subscribe('_INBOX.>', note('answers'))
    const bell = system.desk.ref(BellV1, 'b1')
    await bell.ring()
    t.deepEqual(await bell.who(), format === 1 ? { system: null, host: null } : { system: system.name, host: 'desk' })
    await t.throwsAsync(() => bell.fail(), { code: 'application.error' })
    system.desk.sender(BellV1, 'b1').ring()
    await until(() => seen.get('events') !== undefined, 'the event is published')
    for (const what of ['calls', 'events']) t.deepEqual([...seen.get(what)!], [format], what)
  })

test('a call is answered in its own format, whatever the level is', async (t) => {
  for (const level of [firstLevel, newestLevel]) {
    const system = await TestSystem.start(t, {}, {}, { level })
    const host = await system.host('h1')
    await host.node(BellV1, 'b1')
    const { transport } = await system.host('stranger')
    const answers: Uint8Array[] = []
    transport.subscribe('_INBOX.me.*', ({ payload }) => void answers.push(payload))
    let seq = 0
    const ask = async (method: string, of: Partial<CallEnvelope>) => {
      const call: CallEnvelope = {
        ...{ kind: kinds.call, label: 0, seq: ++seq, method, args: [], deadlineMs: 5_000, caller: 'me', incarnation: 1 },
        ...{ callerClass: 'Client', callerVersion: 0, expects: null, path: null, trace: null, together: false, ...of },
      }
      transport.publish(subjectsOf(system.name).node('b1'), encodeCall(call), `_INBOX.me.${seq}`)
      await until(() => answers.length === seq, 'an answer')
      return formatsOf(answers.at(-1)!)
    }
    for (const method of ['ring', 'who', 'fail', 'nothing']) {
      t.deepEqual(await ask(method, {}), [1], method)
      t.deepEqual(await ask(method, { origin: { system: 'x', host: 'y' } }), [2], method)
    }
    const server = async (of: Partial<CallEnvelope>, method = 'head') => {
      const call: CallEnvelope = {
        ...{ kind: kinds.call, label: 0, seq: ++seq, method, args: [], deadlineMs: 5_000, caller: 'me', incarnation: 1 },
        ...{ callerClass: 'Client', callerVersion: 0, expects: null, path: null, trace: null, together: false, ...of },
      }
      transport.publish(subjectsOf(system.name).server, encodeCall(call), `_INBOX.me.${seq}`)
      await until(() => answers.length === seq, 'an answer')
      return formatsOf(answers.at(-1)!)
    }
    for (const method of ['head', 'nothing']) {
      t.deepEqual(await server({}, method), [1], method)
      t.deepEqual(await server({ origin: { system: 'x', host: 'y' } }, method), [2], method)
    }
  }
})

test('the origin is told from when the level lets it be, and not before', async (t) => {
  const history = { level: firstLevel }
  const s = open({}, undefined, history)
  void s.call()
  t.is(s.leaving()[0]!.origin, undefined)
  history.level = newestLevel
  void s.call()
  t.deepEqual(s.leaving()[0]!.origin, origin)
  s.table.send(caller, s.callOf())
  t.deepEqual(s.leaving()[0]!.origin, origin)
  s.table.prepareSend(caller, s.callOf(), kinds.event)()
  t.deepEqual(s.leaving()[0]!.origin, origin)
})

test('the fields of a caller are packed anew where its origin is told for the first time', (t) => {
  const frequent = new CallingNode(caller, undefined as never, { isSilent: false })
  const plain = callerFields(frequent, null)
  t.is(callerFields(frequent, null), plain)
  const whole = callerFields(frequent, null, origin)
  t.notDeepEqual(whole, plain)
  t.is(callerFields(frequent, null, origin), whole)
  t.deepEqual(callerFields(frequent, null), plain)
})

test('a callee that does not read the format answers with a fault that each caller reads, at once', async (t) => {
  for (const format of [1, 2, 7]) {
    const s = open({}, undefined, { level: newestLevel })
    const made = s.call()
    const [sent] = s.leaving()
    t.true(sent!.replyTo!.startsWith(inbox))
    const fault = new Fault('protocol.format', 'envelope format 2; this host accepts 1', { accepts: [1] })
    await s.hear(sent!, encodeFault(0, 0, fault, replier, Number.POSITIVE_INFINITY, format))
    t.is(made.end, 'protocol.format', `in format ${format}`)
    t.deepEqual(made.fault!.details, { accepts: [1] })
  }
})
