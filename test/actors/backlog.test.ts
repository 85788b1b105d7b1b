/**
 * The calls that wait at a host are bounded in bytes, for all callers and for each that has a name, and in
 * values for one message.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { weightOf } from '../../actors/calls/messageWeight.js'
import { Backlog } from '../../actors/serving/backlog.js'
import { decode, encodeCall, encodeReply, valuesPerEnvelope } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { messageValuesMax } from '../../core/wire/messagePack.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { command, Fault, NodeObject, query } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate as newGate, TestSystem } from '../support/testSystem.js'

const backlogOf = (waitingBytesMax: number, waitingBytesPerCallerMax: number) =>
  new Backlog({ ...defaultSettings, system: 's', hostId: 'h', waitingBytesMax, waitingBytesPerCallerMax })

test('a caller with a name takes no more than its part, and all together no more than there is', (t) => {
  const backlog = backlogOf(100, 40)
  const refused = (caller: string | undefined, bytes: number) => {
    try {
      backlog.check(caller, bytes)
      t.true(backlog.hasRoom(caller, bytes))
      return 'taken'
    } catch (error) {
      t.false(backlog.hasRoom(caller, bytes))
      return (error as Fault).code
    }
  }
  backlog.add('web', 30)
  t.is(refused('web', 10), 'taken')
  t.is(refused('web', 11), 'unavailable.overloaded')
  t.is(refused('batch', 40), 'taken')
  t.is(refused(undefined, 70), 'taken', 'callers without a name are not told apart')
  t.is(refused(undefined, 71), 'unavailable.overloaded')
  backlog.add(undefined, 70)
  t.is(refused('batch', 1), 'unavailable.overloaded')
  backlog.remove(undefined, 70)
  backlog.remove('web', 30)
  t.is(backlog.bytes, 0)
  t.is(refused('web', 40), 'taken')
})

test('what a caller has waiting counts together until it has left, and one call may be too large for its caller at once', (t) => {
  const backlog = backlogOf(100, 40)
  const isRefused = (caller: string, bytes: number) => {
    const error = overloadOf(() => backlog.check(caller, bytes))
    t.is(backlog.hasRoom(caller, bytes), error === undefined)
    return error !== undefined
  }
  t.true(isRefused('new', 41))
  t.false(isRefused('new', 40))
  backlog.add('web', 20)
  backlog.add('web', 20)
  t.true(isRefused('web', 1))
  backlog.remove('web', 15)
  t.false(isRefused('web', 15))
  t.true(isRefused('web', 16))
  backlog.remove('web', 25)
  t.false(isRefused('web', 40))
  t.true(isRefused('web', 41))
})

test('values that wait take memory beside their bytes', (t) => {
  t.true(weightOf(new Uint8Array(1_000), 1_000) > 10 * 1_000)
  t.is(weightOf(new Uint8Array(1_000), 0), 1_000)
})

function overloadOf(action: () => void): Fault | undefined {
  try {
    action()
    return undefined
  } catch (error) {
    return error as Fault
  }
}

const gate = newGate()

class BusyV1 extends NodeObject<{ notes: string[] }> {
  static override readonly className = 'Busy.v1'
  static override initial() {
    return { notes: [] as string[] }
  }
  @command async wait(): Promise<void> {
    await gate.pass()
  }
  @command note(text: string): number {
    return this.state.notes.push(text.slice(0, 1))
  }
  @query many(n: number): number[] {
    return new Array(n).fill(0)
  }
  @query count(list: unknown[]): number {
    return list.length
  }
}

test('large calls that wait are refused as not executed when there are too many bytes of them, and go on when there is room', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h', { settings: { waitingBytesMax: 1_000_000 } })
  await host.node(BusyV1, 'b')
  const ref = system.desk.ref(BusyV1, 'b', { version: 0, deadline: '2s' })
  const long = system.desk.ref(BusyV1, 'b', { version: 0, deadline: '30s' })
  const busy = long.wait()
  await until(() => host.running.status().nodes[0]?.waiting === 0 && gate.waiting > 0, 'it is busy')
  const text = 'x'.repeat(300_000)
  const first = [long.note(text), long.note(text), long.note(text)]
  await until(() => host.running.status().nodes[0]?.waiting === 3, 'three wait')
  t.is(await codeOf(ref.note(text)), 'unavailable.overloaded')
  t.is(host.running.status().nodes[0]?.waiting, 3, 'although a mailbox takes ten thousand')
  const fourth = long.note(text)
  gate.open()
  await busy
  t.deepEqual(await Promise.all(first), [1, 2, 3])
  t.is(await fourth, 4, 'one that was told to wait is made again')
  for (let i = 0; i < 20; i++) await long.note(text)
})

test('calls that are refused, expire or go with their node make room', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h', { settings: { waitingBytesMax: 1_000_000 } })
  const node = await host.node(BusyV1, 'b')
  const text = 'x'.repeat(600_000)
  const at = (version: number, deadline: '300ms' | '20s' = '20s') => system.desk.ref(BusyV1, 'b', { version, deadline })
  for (let i = 0; i < 4; i++) t.notRegex(await codeOf(at(9, '300ms').note(text)), /^answered/, 'of a version that there is not')
  t.is(await at(0).note(text), 1)
  await node.stop()
  await host.node(BusyV1, 'b')
  t.is(await at(0).note(text), 2)
})

test('an event that comes again is not carried out, and takes no room', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h', { settings: { waitingBytesMax: 1_000_000 } })
  await host.node(BusyV1, 'b')
  const text = 'x'.repeat(300_000)
  const event = encodeCall({
    ...{ kind: kinds.event, label: 9, seq: 1, method: 'rang', args: [text], deadlineMs: 100, caller: 'somebody' },
    ...{ incarnation: 1, callerClass: 'Bell.v1', callerVersion: 0, expects: null, path: null, trace: null, together: false },
  })
  for (let i = 0; i < 9; i++) system.desk.transport.publish(subjectsOf(system.name).introduced, event)
  const ref = system.desk.ref(BusyV1, 'b', { version: 0, deadline: '5s' })
  t.is(await ref.note('x'.repeat(600_000)), 1)
  t.is(host.running.status().nodes[0]?.waiting, 0)
})

test('a message has only so many values, of whatever size: its sender is told, and so is one who sends it all the same', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h')
  await host.node(BusyV1, 'b')
  const ref = system.desk.ref(BusyV1, 'b', { version: 0 })
  t.is(await ref.count(new Array(messageValuesMax - 10).fill(0)), messageValuesMax - 10)
  t.is(await codeOf(ref.count(new Array(messageValuesMax + 1).fill(0))), 'protocol.too-large')
  t.is(await codeOf(ref.count([new Array(messageValuesMax).fill([])])), 'protocol.too-large')
  t.is(await codeOf(ref.many(messageValuesMax + 1)), 'protocol.too-large')
  t.is((await ref.many(messageValuesMax - 100)).length, messageValuesMax - 100)
})

test('there is room for as many values as bytes are left, of the host and of the caller', (t) => {
  const bytesPerValue = weightOf(new Uint8Array(0), 1)
  const backlog = backlogOf(100 * bytesPerValue, 40 * bytesPerValue)
  t.is(backlog.check(undefined, 10 * bytesPerValue), 90)
  t.is(backlog.check('web', 10 * bytesPerValue), 30)
  backlog.add('web', 5 * bytesPerValue)
  t.is(backlog.check('web', 10 * bytesPerValue), 25)
  t.is(backlog.check('batch', 10 * bytesPerValue), 30)
  backlog.add(undefined, 80 * bytesPerValue)
  t.is(backlog.check('batch', 10 * bytesPerValue), 5, 'all together have less left than it has')
  t.is(backlog.check(undefined, 15 * bytesPerValue), 0)
})

test('what is beyond the room is refused while it is read: of values, and of envelopes with none', (t) => {
  const call = encodeCall({
    ...{ kind: kinds.call, label: 0, seq: 1, method: 'm', args: [], deadlineMs: 1, caller: 'c', incarnation: 1 },
    ...{ callerClass: 'C', callerVersion: 0, expects: null, path: null, trace: null, together: false },
  })
  const counted = { max: 100, values: 0 }
  t.is(decode(Buffer.concat(new Array(25).fill(call)), counted).length, 25)
  t.is(counted.values, 25 * valuesPerEnvelope)
  const refused = { instanceOf: Fault, code: 'unavailable.overloaded' } as const
  t.throws(() => decode(Buffer.concat(new Array(26).fill(call)), counted), refused)
  const full = encodeReply(0, 1, new Array(97).fill(0), replier, 0)
  t.throws(() => decode(full, counted), refused)
  t.is(decode(encodeReply(0, 1, new Array(96).fill(0), replier, 0), counted).length, 1)
  // In the order in which they came.
  const second = decode(Buffer.concat([call, encodeReply(0, 1, 'answer', replier, 0)]), counted)
  t.deepEqual(
    second.map(({ kind }) => kind),
    [kinds.call, kinds.reply],
  )
  t.throws(() => decode(encodedOf(messageValuesMax + 1), counted), refused)
  t.throws(() => decode(encodedOf(messageValuesMax + 1), { max: messageValuesMax, values: 0 }), {
    instanceOf: Fault,
    code: 'protocol.too-large',
  })
  // A message that no host takes is told to be too large, however much room there is.
  t.throws(() => decode(encodedOf(messageValuesMax + 1), { max: Number.POSITIVE_INFINITY, values: 0 }), {
    instanceOf: Fault,
    code: 'protocol.too-large',
  })
})

/** A reply with a list of so many values of one byte. */
function encodedOf(values: number, value = 0x01): Uint8Array {
  const list = Buffer.concat([Buffer.from([0xdd, 0, 0, 0, 0]), Buffer.alloc(values, value)])
  list.writeUInt32BE(values, 1)
  const one = encodeReply(0, 1, 'VALUE', replier, 0)
  const at = Buffer.from(one).indexOf('VALUE') - 1
  return Buffer.concat([one.subarray(0, at), list, one.subarray(at + 6)])
}

const replier = { node: 'n', className: 'A.v1', version: 0 }

test('a million empty records in a megabyte are refused before they are made', (t) => {
  const payload = encodedOf(1_000_000, 0x80)
  const before = process.memoryUsage().heapUsed
  t.throws(() => decode(payload), { instanceOf: Fault, code: 'protocol.too-large' })
  t.true(process.memoryUsage().heapUsed - before < 20_000_000)
})

test('many small envelopes of one message count together', (t) => {
  const call = encodeCall({
    ...{ kind: kinds.call, label: 0, seq: 1, method: 'm', args: [new Array(1_000).fill(0)], deadlineMs: 1, caller: 'c' },
    ...{ incarnation: 1, callerClass: 'C', callerVersion: 0, expects: null, path: null, trace: null, together: false },
  })
  t.is(decode(Buffer.concat(new Array(200).fill(call))).length, 200)
  t.throws(() => decode(Buffer.concat(new Array(300).fill(call))), { instanceOf: Fault, code: 'protocol.too-large' })
})
