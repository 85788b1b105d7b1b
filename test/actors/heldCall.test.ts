/** A held call is answered once: by its turn, or before its deadline (C4). */
import 'reflect-metadata'
import test from 'ava'
import type { Answered, Answers } from '../../actors/serving/answers.js'
import type { Callee } from '../../actors/serving/callee.js'
import { IncomingCall } from '../../actors/serving/incomingCall.js'
import type { Departure } from '../../actors/state/departures.js'
import { TimerWheel } from '../../actors/timerWheel.js'
import { Fault } from '../../core/base/fault.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { ManualClock } from './manualClock.js'

const envelope: CallEnvelope = {
  kind: kinds.call,
  label: 0,
  seq: 1,
  method: 'do',
  args: [],
  deadlineMs: 1_000,
  caller: 'c1',
  incarnation: 1,
  callerClass: 'Caller',
  callerVersion: 0,
  expects: null,
  path: null,
  trace: null,
  together: false,
}

function held() {
  const clock = new ManualClock()
  const answers: string[] = []
  const callee = {
    replier: { node: 'n1', className: 'Notes.v1', version: 0 },
    wheel: new TimerWheel(clock),
    heldAnswerMs: 100,
    replyBytesMax: 1024,
    monotonicMs: () => clock.monotonicMs(),
    count: () => {},
    countFailure: () => {},
    departures: { add: (departure: Departure) => departure.leave() },
  } as unknown as Callee
  const answering = { fault: (_: Answered, fault: Fault) => answers.push(fault.code) } as unknown as Answers
  const call = new IncomingCall(callee, envelope, answering, clock.monotonicMs() + envelope.deadlineMs)
  return { clock, answers, call }
}

test('a held call is refused so long before its deadline that its caller hears of it in time', (t) => {
  const { clock, answers, call } = held()
  call.holdFor('unavailable.upgrading')
  clock.advance(880)
  t.deepEqual(answers, [])
  clock.advance(40)
  t.deepEqual(answers, ['unavailable.upgrading'])
  t.is(call.run(), undefined)
  clock.advance(1_000)
  t.deepEqual(answers, ['unavailable.upgrading'])
})

test('a call that is held again for another reason is refused once, with the newer one', (t) => {
  const { clock, answers, call } = held()
  call.holdFor('unavailable.fetching')
  call.holdFor('unavailable.upgrading')
  clock.advance(2_000)
  t.deepEqual(answers, ['unavailable.upgrading'])
})

test('a held call that is refused is not refused once more before its deadline', (t) => {
  const { clock, answers, call } = held()
  call.holdFor('unavailable.upgrading')
  call.refuse(new Fault('unavailable.stopped', 'the node has stopped'))
  clock.advance(2_000)
  t.deepEqual(answers, ['unavailable.stopped'])
})

test('a held call that was refused before its deadline is not refused once more when its node stops', (t) => {
  const { clock, answers, call } = held()
  call.holdFor('unavailable.fetching')
  clock.advance(920)
  call.refuse(new Fault('unavailable.stopped', 'the node has stopped'))
  t.deepEqual(answers, ['unavailable.fetching'])
})

for (const [how, setByMs] of [
  ['back', -3_600_000],
  ['forward', 3_600_000],
] as const) {
  test(`a held call is refused at its time though the time of day is set ${how} by an hour`, (t) => {
    const { clock, answers, call } = held()
    call.holdFor('unavailable.upgrading')
    clock.setBy(setByMs)
    clock.advance(880)
    t.deepEqual(answers, [])
    t.true(clock.monotonicMs() < call.deadline)
    clock.advance(40)
    t.deepEqual(answers, ['unavailable.upgrading'])
    clock.advance(100)
    t.true(clock.monotonicMs() >= call.deadline)
  })
}
