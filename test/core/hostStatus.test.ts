/** Whether a host is ready for work. */
import test from 'ava'
import { phases } from '../../core/base/phases.js'
import { type HostStatus, type NodeSnapshot, reasonsNotReady } from '../../core/inspection/hostStatus.js'

const node = (change: Partial<NodeSnapshot> = {}): NodeSnapshot => ({
  id: 'n1',
  service: 'pages',
  className: 'Pages.v1',
  version: 0,
  phase: 'current',
  target: null,
  reason: null,
  isServing: true,
  waiting: 0,
  fetching: 0,
  answered: 0,
  failed: 0,
  expired: 0,
  records: null,
  ...change,
})
const status = (change: Partial<HostStatus> = {}): HostStatus =>
  ({
    hostId: 'h1',
    system: 'shop',
    isStopped: false,
    transport: 'connected',
    refused: [],
    newestVersion: 0,
    openCalls: 0,
    starting: [],
    nodes: [node()],
    ...change,
  }) as HostStatus

test('a host that runs, is connected, and whose nodes serve is ready', (t) => {
  t.deepEqual(reasonsNotReady(status()), [])
  t.deepEqual(reasonsNotReady(status({ nodes: [] })), [])
  t.deepEqual(reasonsNotReady(status({ trust: { refusal: null } as never })), [])
})

test('each thing that keeps work from being done is a reason', (t) => {
  t.deepEqual(
    reasonsNotReady(
      status({
        isStopped: true,
        transport: 'reconnecting' as never,
        refused: ['a'],
        trust: { refusal: 'of another list' } as never,
        starting: ['n2', 'n3'],
        nodes: [node({ id: 'n4', phase: 'failed', isServing: false, reason: 'disk' }), node({ id: 'n5', isServing: false })],
      }),
    ),
    [
      'the host is stopping',
      'the transport is reconnecting',
      'the transport does not let the host listen on a: correct the permissions of its login',
      'the upgrade server refuses the host: of another list',
      'node n2 is starting',
      'node n3 is starting',
      'node n4 has failed: disk',
      'node n5 does not serve',
    ],
  )
})

test('subjects on which it may not listen are a reason, and a few of them are named', (t) => {
  const [reason] = reasonsNotReady(status({ refused: ['a', 'b', 'c'] }))
  t.regex(reason!, /listen on a, b, c: correct/)
  t.regex(reasonsNotReady(status({ refused: ['a', 'b', 'c', 'd', 'e'] }))[0]!, /listen on a, b, c and 2 more: correct/)
})

test('a node that upgrades by plan, or whose upgrade is stalled while it serves, is no reason', (t) => {
  const away = ['draining', 'transforming', 'checking', 'flipping', 'recovering'] as const
  for (const phase of away) t.deepEqual(reasonsNotReady(status({ nodes: [node({ phase, isServing: false })] })), [], phase)
  for (const phase of phases.filter((each) => each !== 'failed'))
    t.deepEqual(reasonsNotReady(status({ nodes: [node({ phase })] })), [], phase)
})
