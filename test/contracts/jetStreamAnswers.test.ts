/**
 * The answers of JetStream to an append, as servers of several releases give them: each has one meaning (H1,
 * H3).
 */
import test from 'ava'
import { headers, type Msg } from 'nats'
import { appendOutcome } from '../../transports/jetstream/appendOutcome.js'
import type { Answer } from '../../transports/jetstream/jetStreamAnswer.js'
import { newStream, wrongSettings, wrongSettingsLine } from '../../transports/jetstream/streamConfig.js'
import { logNames, snapshotNames } from '../../transports/jetstream/streamNames.js'
import { testedServer, untestedServerLine } from '../../transports/jetstream/testedServers.js'

const append = { stream: 'theseus-log+shop+pages+1', after: 41 }

function message(data: string): Answer {
  return { kind: 'message', message: { data: new TextEncoder().encode(data), headers: headers() } as Msg }
}
const told = (body: object) => appendOutcome(message(JSON.stringify(body)), append)
const error = (code: number, err_code: number, description = 'why') =>
  told({ error: { code, err_code, description }, stream: append.stream, seq: 0 })

test('an entry counts if the stream itself took it, behind its predecessor', (t) => {
  t.is(told({ stream: append.stream, seq: 42 }).kind, 'appended')
  t.is(told({ stream: append.stream, seq: 42, domain: 'hub' }).kind, 'appended')
})

test('an acknowledgement that says something else is no success', (t) => {
  t.is(told({ stream: append.stream, seq: 42, duplicate: true }).kind, 'conflict')
  for (const seq of [0, 41, 43, '42', undefined]) {
    const outcome = told({ stream: append.stream, seq })
    t.like(outcome, { kind: 'refused', fault: { code: 'config.invalid' } }, String(seq))
  }
  t.like(told({ stream: 'other', seq: 42 }), { kind: 'refused', fault: { code: 'config.invalid' } })
  for (const data of ['', '+OK', 'null', '[]', '7', '{"stream":'])
    t.is(appendOutcome(message(data), append).kind, 'unknown', data)
})

test('silence leaves the outcome open; a login without the right is refused', (t) => {
  for (const kind of ['no-responders', 'timed-out', 'disconnected'] as const) {
    const outcome = appendOutcome({ kind }, append)
    t.like(outcome, { kind: 'unknown', fault: { code: 'unavailable.storage' } }, kind)
  }
  const denied = appendOutcome({ kind: 'denied', subject: 'theseus-log.shop.pages.1' }, append)
  t.like(denied, { kind: 'refused', fault: { code: 'config.invalid' } })
})

test('a wrong last sequence is a conflict; the same while another append is in flight is unknown', (t) => {
  t.is(error(400, 10071, 'wrong last sequence: 42').kind, 'conflict')
  t.is(error(400, 10164, 'wrong last sequence').kind, 'unknown')
})

test('an entry that the stream will not take is refused with what to do', (t) => {
  for (const [code, err_code, description, fault] of [
    [400, 10054, 'message size exceeds maximum allowed', 'protocol.too-large'],
    [503, 10077, 'maximum bytes exceeded', 'unavailable.storage'],
    [503, 10077, 'maximum messages exceeded', 'unavailable.storage'],
    [503, 10023, 'insufficient resources', 'unavailable.storage'],
    [500, 10047, 'insufficient storage resources available', 'unavailable.storage'],
    [400, 10002, 'resource limits exceeded for account', 'unavailable.storage'],
    [400, 10060, 'expected stream does not match', 'config.invalid'],
    [400, 10109, 'invalid operation on sealed stream', 'config.invalid'],
  ] as const)
    t.like(error(code, err_code, description), { kind: 'refused', fault: { code: fault } }, description)
})

test('an error that may be of one replica, of this moment, or of a later release is unknown', (t) => {
  t.is(error(503, 10077, 'no space left on device').kind, 'unknown')
  t.is(error(503, 10008, 'JetStream system temporarily unavailable').kind, 'unknown')
  t.is(error(500, 10999, 'an error of a later release').kind, 'unknown')
  t.is(told({ error: 'no record' }).kind, 'unknown')
  t.is(told({ error: {} }).kind, 'unknown')
})

test('a stream as it is made here has no wrong setting, whatever a server leaves out or adds', (t) => {
  for (const [use, names] of [
    ['log', logNames('shop', 'pages', 1)],
    ['snapshots', snapshotNames('shop', 'pages')],
  ] as const) {
    const made = newStream(use, names, 3)
    t.deepEqual(wrongSettings(made, use, names, 3), [])
    t.deepEqual(wrongSettings(made, use, names, 1), [])
    // A server leaves out what has its zero, and later ones know more.
    const told = JSON.parse(
      JSON.stringify({ ...made, compression: 'none', consumer_limits: {}, metadata: { '_nats.ver': '2.14.5' } }),
    )
    for (const name of ['no_ack', 'sealed', 'mirror_direct', 'max_age', 'deny_purge', 'allow_rollup_hdrs']) delete told[name]
    t.deepEqual(wrongSettings(told, use, names, 3), [])
  }
})

test('settings of later servers by which entries are lost, changed or moved are found', (t) => {
  const names = logNames('shop', 'pages', 1)
  const made = newStream('log', names, 3)
  for (const wrong of [
    { persist_mode: 'async' },
    { allow_msg_ttl: true },
    { allow_msg_counter: true },
    { first_seq: 1000 },
    { subject_transform: { src: '>', dest: 'x' } },
    { sources: [{ name: 'other' }] },
    { mirror: { name: 'other' } },
    { num_replicas: 1 },
    { sealed: true },
    { no_ack: true },
  ]) {
    const [found, ...others] = wrongSettings({ ...made, ...wrong }, 'log', names, 3)
    t.is(found?.setting, Object.keys(wrong)[0])
    t.deepEqual(others, [])
    t.regex(wrongSettingsLine(names, [found!]), new RegExp(`theseus-log\\+shop\\+pages\\+1 can't be used: ${found!.setting} is `))
  }
  t.true(wrongSettings(undefined, 'log', names, 3).length > 5)
})

test('a server that the tests of logs do not cover is named, with its release', (t) => {
  t.true(testedServer('2.9.10'))
  for (const version of ['2.9.9', '2.9.100', '2.10.0', '', '?']) t.false(testedServer(version), version)
  t.regex(untestedServerLine('2.14.5', 'a:4222'), /^nats-server 2\.14\.5 at a:4222: .*2\.9\.10/)
})
