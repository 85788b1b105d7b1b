/**
 * The reports of a node about itself: to its registration, to its host's observer, to those who follow it.
 */
import 'reflect-metadata'
import test from 'ava'
import { defaultSettings } from '../../actors/base/settings.js'
import { NodeLife } from '../../actors/node/nodeLife.js'
import { NodeStatus, type ReportingNode } from '../../actors/node/nodeStatus.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { NodeClass } from '../../core/model/nodeObject.js'
import type { LazySlot } from '../../core/model/nodeRecord.js'
import type { NodeStatus as Row } from '../../core/model/nodeRow.js'
import { NodeObject } from '../../index.js'
import { NotesV1 } from './notesClasses.js'

class Other extends NodeObject {
  static override readonly className = 'Other.v1'
}
class Caller extends NodeObject {
  static override readonly className = 'Caller.v1'
  static override readonly calls = [Other]
}

const sincePhase = { ended: 5, threw: 1, timed: 2, tookMs: 9 }
const lazy: LazySlot = { upgrade: 1, role: 'object', undoes: false, old: '0.0', beside: null, next: { shelf: 'k' }, passed: 3 }

function open(definition: NodeClass = NotesV1) {
  const rows: Row[] = []
  const events: HostEvent[] = []
  const phases: string[] = []
  const generation = {
    number: 0,
    version: 4,
    className: definition.className,
    object: '0.4',
    simulations: {},
    lazy: undefined as unknown,
  }
  const history = { heard: 5 }
  const mailbox = { isOpen: true, waiting: 7 }
  const life = new NodeLife()
  life.serve(false)
  const node = {
    life,
    mailbox,
    learning: { held: 2 },
    calls: { sincePhase, answered: 1, failed: 2, expired: 3, phaseBegins: () => void phases.push('begins') },
    recordStore: {
      record: { nodeId: 'n1', service: 'notes', generation },
      replier: { node: 'n1', className: definition.className, version: 4 },
      lineage: () => ['Notes.v1'],
    },
    services: {
      history,
      settings: { ...defaultSettings, hostId: 'h1' },
      store: { directoryId: 'd1' },
      clock: { now: () => 99 },
      classes: { definitionAt: () => definition, isHeldBack: () => false },
      statusReporter: { report: (row: Row) => void rows.push(row) },
      observe: (event: HostEvent) => void events.push(event),
    },
  }
  return { status: new NodeStatus(node as unknown as ReportingNode), node, generation, history, mailbox, rows, events, phases }
}

test('a phase is told to the registration and to the observer, with its reason', (t) => {
  const { status, rows, events } = open()
  t.deepEqual([status.phase, status.target, status.reason], ['current', null, null])
  status.report('stalled', 5, 'no form')
  t.deepEqual([status.phase, status.target, status.reason], ['stalled', 5, 'no form'])
  const said = {
    nodeId: 'n1',
    service: 'notes',
    className: 'Notes.v1',
    version: 4,
    phase: 'stalled',
    target: 5,
    reason: 'no form',
  } as const
  t.deepEqual(rows, [{ ...said, hostId: 'h1', directoryId: 'd1', since: 99 }])
  t.deepEqual(events, [{ type: 'phase', ...said }])
})

test('what a class needs of others stands in its row, and nothing where it needs nothing', (t) => {
  const { status, rows } = open(Caller)
  status.report('current', null, null)
  t.deepEqual(rows[0]!.uses, ['Other.v1'])
})

test('figures begin anew with each phase, and not when its reason changes', (t) => {
  const { status, phases } = open()
  status.report('current', null, 'its turn')
  t.deepEqual(phases, [])
  for (const reason of ['one', 'two']) status.report('scheduled', 5, reason)
  t.deepEqual(phases, ['begins'])
  status.report('current', null, null)
  t.deepEqual(phases, ['begins', 'begins'])
})

test('figures tell of nodes that wait for an upgrade or have just had one, and of records that are still to be made', (t) => {
  const { status, generation, history, rows } = open()
  for (const [heard, expected] of [
    [0, undefined],
    [3, sincePhase],
    [4, sincePhase],
    [5, sincePhase],
    [6, undefined],
  ] as const) {
    history.heard = heard
    t.deepEqual(status.figures, expected, `heard of ${heard}`)
  }
  status.report('scheduled', 5, null)
  t.false('figures' in rows[0]!)
  generation.lazy = { '0.4': lazy }
  const records = { passed: 3, left: { shelf: 'k' } }
  t.deepEqual(status.records, records)
  t.deepEqual(status.figures, { ...sincePhase, records })
  status.report('current', null, null)
  t.deepEqual(rows[1]!.figures, { ...sincePhase, records })
})

test('a node serves while its mailbox is open and its version lives', (t) => {
  const { status, mailbox, node } = open()
  t.deepEqual(status.snapshot, {
    ...{ id: 'n1', service: 'notes', className: 'Notes.v1', version: 4, phase: 'current', target: null, reason: null },
    ...{ isServing: true, waiting: 7, fetching: 2, answered: 1, failed: 2, expired: 3, records: null },
  })
  node.life.fallBehind()
  t.false(status.snapshot.isServing)
  node.life.serve(false)
  t.true(status.snapshot.isServing)
  mailbox.isOpen = false
  t.false(status.snapshot.isServing)
})

test('those who follow a node look now and after each report, until they are done', (t) => {
  const { status } = open()
  const looks: string[] = []
  const follow = (name: string, times: number) => {
    let left = times
    status.follow(() => {
      looks.push(name)
      return --left <= 0
    })
  }
  follow('a', 1)
  follow('b', 2)
  follow('c', 3)
  t.deepEqual(looks.splice(0), ['a', 'b', 'c'])
  for (let i = 0; i < 3; i++) status.report('current', null, null)
  t.deepEqual(looks, ['b', 'c', 'c'])
})
