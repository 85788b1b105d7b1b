/** Whether a call comes in at all: the host's filter, and how many calls a second each caller may make. */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import { type ArrivingCall, CallAdmission, type CallFilter } from '../../actors/serving/callAdmission.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'

const node = { id: 'n1', service: 'notes' }
const envelope: CallEnvelope = {
  kind: kinds.call,
  label: 3,
  seq: 1,
  method: 'add',
  args: [],
  deadlineMs: 1_000,
  caller: 'desk',
  incarnation: 1,
  callerClass: 'Client',
  callerVersion: 2,
  expects: null,
  path: null,
  trace: null,
  together: false,
}

function open(change: Partial<HostSettings> = {}, filter?: CallFilter) {
  const admission = new CallAdmission({ ...defaultSettings, system: 's', hostId: 'h', ...change }, filter)
  return {
    admission,
    /** Which of so many calls are let in. */
    letIn: (name: string | undefined, times: number, nowMs: number) =>
      Array.from({ length: times }, () => admission.refuses(node, envelope, name, nowMs)).filter((fault) => fault === undefined)
        .length,
  }
}

test('a host without a filter and a rate lets everybody in', (t) => {
  t.is(open().letIn('ann', 1_000, 0), 1_000)
})

test('each caller has its burst, and so many calls a second after it', (t) => {
  const { admission, letIn } = open({ callsPerSecond: 10, callsBurst: 5, callersCountedMax: 100 })
  t.is(letIn('ann', 20, 1_000), 5)
  t.is(letIn('bob', 20, 1_000), 5)
  const fault = admission.refuses(node, envelope, 'ann', 1_099)
  t.is(fault?.code, 'denied.rate')
  t.is(fault?.message, 'ann makes more than 10 calls a second to this host')
  t.is(letIn('ann', 20, 1_100), 1)
  t.is(letIn('ann', 20, 1_300), 2)
  t.is(letIn('ann', 20, 60_000), 5, 'never more than the burst')
})

test('callers without a name share what one may do', (t) => {
  const { admission, letIn } = open({ callsPerSecond: 10, callsBurst: 2, callersCountedMax: 100 })
  t.is(letIn(undefined, 1, 0), 1)
  t.is(letIn(undefined, 20, 0), 1)
  t.is(
    admission.refuses(node, envelope, undefined, 0)?.message,
    'callers without a name make more than 10 calls a second to this host',
  )
  t.is(letIn('ann', 20, 0), 2)
})

test('so many callers are counted: one that has not called for longest is forgotten', (t) => {
  const { letIn } = open({ callsPerSecond: 1, callsBurst: 2, callersCountedMax: 2 })
  t.is(letIn('ann', 3, 0), 2)
  t.is(letIn('bob', 3, 0), 2)
  // It calls again, so that the other is the one to forget.
  t.is(letIn('ann', 1, 0), 0)
  t.is(letIn('eve', 3, 0), 2)
  t.is(letIn('ann', 1, 0), 0)
  t.is(letIn('bob', 3, 0), 2, 'as one that is new')
})

test('the filter is told of the call, and decides; only true lets it in', (t) => {
  const heard: ArrivingCall[] = []
  let answer: unknown = true
  const filter = (call: ArrivingCall) => {
    heard.push(call)
    if (answer instanceof Error) throw answer
    return answer as boolean
  }
  const { admission } = open({}, filter)
  const refused = (name?: string, of: Partial<CallEnvelope> = {}) => admission.refuses(node, { ...envelope, ...of }, name, 0)
  t.is(refused('ann'), undefined)
  t.is(refused(undefined, { kind: kinds.event }), undefined)
  t.is(refused(undefined, { kind: kinds.send }), undefined)
  t.deepEqual(heard[0], {
    caller: { name: 'ann', node: 'desk', className: 'Client', version: 2 },
    node: 'n1',
    service: 'notes',
    kind: 'call',
    method: 'add',
    label: 3,
  })
  t.deepEqual([heard[1]!.kind, heard[2]!.kind], ['event', 'send'])
  for (const [says, message] of [
    [false, 'node n1 does not take add of ann'],
    ['', 'node n1 does not take add of ann'],
    [1, 'node n1 does not take add of ann'],
    ['not today', 'node n1 does not take add of ann: not today'],
    [new Error('odd'), 'node n1 does not take add of ann: the filter has failed: odd'],
  ] as const) {
    answer = says
    const fault = refused('ann')
    t.is(fault?.code, 'denied.filter')
    t.is(fault?.message, message)
  }
  t.regex(refused()!.message, /^node n1 does not take add of desk: /)
})

test('a filter that answers a promise lets nobody in, and no promise of its ends the process', async (t) => {
  const lost: unknown[] = []
  const hear = (reason: unknown) => void lost.push(reason)
  process.on('unhandledRejection', hear)
  t.teardown(() => void process.off('unhandledRejection', hear))
  for (const filter of [async () => true, () => Promise.reject(new Error('of the filter'))]) {
    const { admission } = open({}, filter as never)
    t.regex(admission.refuses(node, envelope, 'ann', 0)!.message, /: the filter answers a promise: it has to answer at once$/)
  }
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(lost, [])
})

test('a caller that is too fast is not shown to the filter', (t) => {
  let asked = 0
  const filter = () => {
    asked++
    return false
  }
  const { admission } = open({ callsPerSecond: 1, callsBurst: 1, callersCountedMax: 2 }, filter)
  t.is(admission.refuses(node, envelope, 'ann', 0)?.code, 'denied.filter')
  t.is(admission.refuses(node, envelope, 'ann', 0)?.code, 'denied.rate')
  t.is(asked, 1)
})
