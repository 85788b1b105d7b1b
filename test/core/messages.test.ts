/** Messages that a host makes of itself: faults, refusals, announcements, and plain data. */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import { callerInfo } from '../../core/wire/callerInfo.js'
import { decode, encodeAnnouncement, encodeFault, encodeRefusal, pack, packToSend, unpack } from '../../core/wire/codec.js'
import { callId, type FaultEnvelope, incarnationAbroad, kinds, markedEntry, outerAt } from '../../core/wire/envelope.js'

const replier = { node: 'n1', className: 'Pages.v1', version: 3 }
const read = (bytes: Uint8Array) => decode(bytes)[0] as FaultEnvelope

test('a fault that fits is sent whole, also where it fits exactly', (t) => {
  const fault = new Fault('version.dead', 'm'.repeat(2_000), { long: 'x'.repeat(500) })
  const whole = encodeFault(3, 7, fault, replier)
  t.deepEqual(encodeFault(3, 7, fault, replier, whole.length), whole)
  const found = read(whole)
  t.deepEqual([found.kind, found.label, found.seq, found.replier], [kinds.fault, 3, 7, replier])
  t.deepEqual([found.fault.code, found.fault.message, found.fault.details], [fault.code, fault.message, fault.details])
})

test('a fault that does not fit is shortened, and its receiver is told', (t) => {
  const fault = new Fault('version.dead', 'm'.repeat(2_000), { long: 'x'.repeat(500), short: 1 })
  const { length } = encodeFault(3, 7, fault, replier)
  const found = read(encodeFault(3, 7, fault, replier, length - 1))
  t.deepEqual([found.label, found.seq, found.replier], [3, 7, replier])
  t.deepEqual([found.fault.code, found.fault.details], ['version.dead', { short: 1, shortened: true }])
})

test('a message that can’t be read is refused in a format that its sender reads, for no call in particular', (t) => {
  const fault = new Fault('protocol.bad-envelope', 'm'.repeat(2_000))
  const found = read(encodeRefusal(new Uint8Array([0xc1]), fault, replier, 1_800))
  t.deepEqual([found.kind, found.label, found.seq, found.fault.code], [kinds.fault, 0, 0, 'protocol.bad-envelope'])
  t.is(found.fault.details.shortened, true)
})

test('an announcement says which version there is, and which manifest', (t) => {
  t.deepEqual(decode(encodeAnnouncement(7, 'ab')), [{ kind: kinds.announcement, version: 7, digest: 'ab' }] as never)
  t.deepEqual(decode(encodeAnnouncement(0, null)), [{ kind: kinds.announcement, version: 0, digest: null }] as never)
})

test('an empty message holds nothing, and is refused', (t) => {
  t.throws(() => decode(new Uint8Array()), { code: 'protocol.bad-envelope', message: /it is empty/ })
})

test('plain data come back from their bytes; anything else is refused by its name', (t) => {
  for (const value of [null, 1, 'text', [1, { a: [] }], 'x'.repeat(2 ** 21)]) t.deepEqual(unpack(pack(value)), value)
  t.throws(() => pack(() => 1, 'the state'), { code: 'protocol.bad-arguments', message: /the state/ })
  t.deepEqual(unpack(pack([1])), [1])
  t.deepEqual(unpack(packToSend([1], 'result')), [1])
  t.throws(() => packToSend(new Map(), 'result'), { code: 'protocol.bad-arguments', message: /^result is a Map/ })
})

test('a call’s id is its caller’s, across restarts', (t) => {
  t.is(callId({ caller: 'n1', incarnation: 2, seq: 3 }), 'n1/2/3')
})

test('a call inside a node’s own call is found by the last one that the node has made a call for', (t) => {
  const outer = (id: string, caller: string, path: readonly string[] | null) =>
    outerAt({ id, incarnation: 1, abroad: incarnationAbroad(9) }, { caller, path, incarnation: 1 })
  t.is(outer('a', 'b', null), undefined)
  t.is(outer('a', 'a', ['x/1/1', 'y/1/1']), 'y/1/1')
  t.is(outer('a', 'a', []), undefined)
  // a served x's call and made one for it, for which b calls now.
  t.is(outer('a', 'b', ['x/1/1', 'a/1/5']), 'x/1/1')
  t.is(outer('a', 'c', ['x/1/1', 'a/1/5', 'b/1/1', 'a/1/6', 'b/1/2']), 'b/1/1')
  // A call that a began by itself is made for no call of it.
  t.is(outer('a', 'b', ['a/1/5']), undefined)
  t.is(outer('a', 'b', ['a/1/5', 'b/1/1']), undefined)
  // A name that begins alike is another node's.
  t.is(outer('a', 'b', ['x/1/1', 'aa/1/5']), undefined)
})

test('a node of a neighbour that has a node’s name and incarnation is another one, wherever it is in the path', (t) => {
  const abroad = incarnationAbroad(9)
  const outer = (caller: string, incarnation: number, path: readonly string[]) =>
    outerAt({ id: 'a', incarnation: 1, abroad }, { caller, path, incarnation })
  const others = incarnationAbroad(7)
  // The neighbour's a calls, for x there.
  t.is(outer('a', others, ['x/1/1']), undefined)
  // Its b does, which its a has called.
  t.is(outer('b', others, ['x/1/1', 'a/1/5']), undefined)
  // The same when a of this system has called the neighbour's a for y.
  t.is(outer('a', others, ['y/1/1', `a/${abroad}/5`]), 'y/1/1')
  t.is(outer('b', others, ['y/1/1', `a/${abroad}/5`, 'a/1/6']), 'y/1/1')
  // c of this system has, which a had called.
  t.is(outer('b', others, ['y/1/1', 'a/1/5', `c/${incarnationAbroad(8)}/6`, 'd/1/7']), 'y/1/1')
  // Back in this system.
  t.is(outer('d', 1, ['y/1/1', 'a/1/5', `c/${abroad}/6`, `b/${others}/7`]), 'y/1/1')
  t.is(outer('d', 1, ['y/1/1', `c/${abroad}/6`, 'a/1/5', `b/${others}/7`]), undefined)
  // An earlier life of its own.
  t.is(outer('a', 2, ['x/1/1']), undefined)
})

test('the entry of a call in paths has a mark of its own, never 0, and not the call’s number', (t) => {
  const entry = (chance: number) => markedEntry({ caller: 'n1', incarnation: 2 }, { next: () => chance })
  t.is(entry(0), 'n1/2/1')
  t.is(entry(1 - 2 ** -53), `n1/2/${(2 ** 53 - 1).toString(36)}`)
  t.is(entry(0.5), `n1/2/${(2 ** 52).toString(36)}`)
})

test('a caller has the name that the transport vouches for, and says the rest of itself', (t) => {
  const call = { caller: 'n1', callerClass: 'Pages.v1', callerVersion: 3 }
  const said = { node: 'n1', className: 'Pages.v1', version: 3 }
  t.deepEqual(callerInfo(call, 'desk'), { name: 'desk', ...said })
  t.deepEqual(callerInfo(call, undefined), { name: null, ...said })
  t.deepEqual(callerInfo({ ...call, origin: { system: 'shop', host: 'h1' } }, undefined), {
    ...{ name: null, ...said, system: 'shop', host: 'h1' },
  })
})
