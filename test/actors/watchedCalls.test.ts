/** Telemetry hears of each call that a node receives. */
import 'reflect-metadata'
import test from 'ava'
import { InvariantViolation } from '../../core/base/invariant.js'
import type { CallReceived, ReceivedWatch, Telemetry } from '../../core/inspection/telemetry.js'
import { gate } from '../support/testSystem.js'
import { open, replier, settled } from './incomingCallFixture.js'

function watched(watch?: Partial<ReceivedWatch> | null) {
  const heard: string[] = []
  const received: CallReceived[] = []
  const telemetry: Telemetry = {
    received(call) {
      received.push(call)
      heard.push(`received ${call.envelope.method}`)
      if (watch === null) return undefined
      return { trace: 'of the watch', ended: (outcome, fault) => void heard.push(`${outcome} ${fault?.code}`), ...watch }
    },
  }
  return { telemetry, heard, received }
}

test('telemetry is told of a call when its turn has come: who answers it, and how long it has waited', async (t) => {
  const { telemetry, heard, received } = watched()
  const held = gate()
  const s = open({ wait: () => held.pass() }, telemetry)
  s.call('wait')
  await settled()
  s.clock.advance(50)
  s.call('add', [2])
  s.clock.advance(70)
  held.open()
  t.deepEqual(await s.answers(), ['1 undefined', '2 2'])
  t.deepEqual(heard, ['received wait', 'answered undefined', 'received add', 'answered undefined'])
  t.deepEqual(
    received.map(({ waitedMs }) => waitedMs),
    [0, 70],
  )
  t.is(received[1]!.link, s.link)
  t.like(received[1], { service: 'counters', replier, hops: 0, envelope: { method: 'add', args: [2] } })
})

test('a method runs inside its watch, and what is called for it has the watch’s trace', async (t) => {
  const { telemetry, heard } = watched({
    run(method) {
      heard.push('in')
      const found = method()
      heard.push('out')
      return found
    },
  })
  const s = open({ look: () => heard.push('runs') && call.trace }, telemetry)
  const call = s.arrived('look', [], { trace: 'of the caller' })
  t.is(call.trace, 'of the caller', 'before it runs')
  s.mailbox.post(call)
  t.deepEqual(await s.answers(), ['1 "of the watch"'])
  t.deepEqual(heard, ['received look', 'in', 'runs', 'out', 'answered undefined'])
  t.deepEqual(s.told, ['answered 0, 0 ms'])
})

test('a call that fails is told with its fault, also where no method has run', async (t) => {
  const { telemetry, heard, received } = watched()
  const s = open(
    {
      fail() {
        throw new Error('no')
      },
    },
    telemetry,
  )
  s.call('fail')
  s.call('nothing')
  s.call('get', [], { label: -1 })
  await s.answers()
  t.deepEqual(heard, [
    ...['received fail', 'failed application.error'],
    ...['received nothing', 'failed protocol.no-such-method'],
    ...['received get', 'failed version.dead'],
  ])
  for (const { link, hops } of received.slice(1)) t.deepEqual([link, hops], [undefined, 0])
})

test('a call that came too late, or breaks its node, is told too', async (t) => {
  const { telemetry, heard } = watched()
  const held = gate()
  const s = open(
    {
      wait: () => held.pass(),
      broken() {
        throw new InvariantViolation('C1: broken')
      },
    },
    telemetry,
  )
  s.call('wait')
  await settled()
  s.call('get', [], { deadlineMs: 10 })
  s.clock.advance(20)
  held.open()
  await s.answers()
  t.deepEqual(heard.splice(0).toSorted(), ['answered undefined', 'expired undefined', 'received get', 'received wait'])
  s.call('broken')
  await s.answers()
  t.deepEqual(heard, ['received broken', 'failed application.error'])
  t.true(s.told.includes('crash C1: broken'))
})

test('telemetry that does not care for a call is asked once; one that hears of none is not asked', async (t) => {
  const { telemetry, heard } = watched(null)
  const s = open({}, telemetry)
  s.call('add', [1], { trace: 'of the caller' })
  t.deepEqual(await s.answers(), ['1 1'])
  t.deepEqual(heard, ['received add'])
  const deaf = open({ trace: () => call.trace }, {})
  const call = deaf.arrived('trace', [], { trace: 'of the caller' })
  deaf.mailbox.post(call)
  t.deepEqual(await deaf.answers(), ['1 "of the caller"'])
})
