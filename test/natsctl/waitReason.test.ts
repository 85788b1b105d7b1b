import test from 'ava'
import type { NodeRow } from 'theseus-actors'
import type { Control } from '../../core/control/control.js'
import type { Manifest } from '../../core/upgrade/manifest.js'
import { waitReasonOf } from '../../natsctl/rollout/waitReason.js'

const row = (change: Partial<NodeRow> = {}): NodeRow => ({
  nodeId: 'p1',
  service: 'pages',
  className: 'Pages.v1',
  version: 0,
  phase: 'scheduled',
  target: 1,
  reason: null,
  hostId: 'h1',
  directoryId: 'd',
  since: 0,
  alive: true,
  ...change,
})
const manifests = [{ classUpgrades: [{ service: 'pages', schedule: 'gradually(…)' }] }] as unknown as readonly Manifest[]
const waits = (change: Partial<NodeRow>, controls: readonly Control[] = []) => {
  const { waitsFor, movedBy, on } = waitReasonOf(row(change), { newest: 1, manifests, controls })
  return [waitsFor, movedBy[0] ?? null, ...on]
}

test('a node that is there waits for nothing; one that is behind waits for word of the next version', (t) => {
  t.deepEqual(waits({ phase: 'current', version: 1, target: null }), [null, null])
  t.regex(waits({ phase: 'current', target: null })[0]!, /^word of version 1$/)
})

test('a scheduled node waits for its schedule, a slot, a pause or a hold, and each has what moves it', (t) => {
  t.deepEqual(waits({}), ['its schedule, gradually(…)', 'natsctl node upgrade p1'])
  t.deepEqual(waits({ reason: 'waits for a permit under the limit of pages, held by p2, p3' }), [
    'a permit under the limit of pages',
    'p2, p3 to serve again',
    'p2',
    'p3',
  ])
  const pause: Control = { kind: 'pause', version: 1, reason: 'lunch', since: 0 }
  t.deepEqual(waits({ reason: 'waits for the end of the pause of version 1: lunch' }, [pause]), [
    'the end of the pause of version 1: lunch',
    'natsctl rollout resume 1',
  ])
  // Its schedule comes first: the pause is asked for with the slot.
  t.deepEqual(waits({}, [pause]), ['its schedule, gradually(…)', 'natsctl node upgrade p1'])
  t.deepEqual(waits({}, [{ kind: 'hold', nodeId: 'p1', reason: '', since: 0 }]), [
    'the end of its hold',
    'natsctl node release p1',
  ])
  t.deepEqual(waits({ reason: 'waits for the upgrade database, which does not answer' }), [
    'the upgrade database, which does not answer',
    null,
  ])
})

test('a slot that is held by a node which serves is named as such, and so is a database on probation', (t) => {
  const held = row({ reason: 'waits for a permit under the limit of pages, held by p2' })
  const serving = row({ nodeId: 'p2', phase: 'current', version: 1, target: null })
  const known = { newest: 1, manifests, controls: [] }
  t.regex(waitReasonOf(held, { ...known, rows: [held, serving] }).waitsFor!, /held by p2, which serves all the same$/)
  const upgrading = { ...serving, phase: 'draining' } as const
  t.is(waitReasonOf(held, { ...known, rows: [held, upgrading] }).waitsFor, 'a permit under the limit of pages')
  const [waitsFor, movedBy] = waits({
    reason: 'waits for the upgrade database, which has lost something and waits until all hosts have told of their nodes',
  })
  t.regex(waitsFor!, /^the upgrade database, which has lost something/)
  t.regex(movedBy!, /it ends by itself/)
})

test('a node in trouble says of what, and tells an operator what to do', (t) => {
  t.deepEqual(waits({ phase: 'stalled', reason: 'the TF threw' }), [
    'somebody: the TF threw',
    'remove the cause, then natsctl rollout retry 1',
  ])
  t.regex(waits({ phase: 'failed', reason: 'disk' })[0]!, /its object to start again: disk/)
  t.deepEqual(waits({ phase: 'draining', alive: false }).slice(0, 2), [
    'host h1, which is not heard of; the node was draining',
    'start host h1 again',
  ])
})

test('a node that can go back by neither way waits for the upgrade to come again, and says why its recording ended', (t) => {
  const stalled = {
    phase: 'stalled',
    version: 1,
    target: 2,
    reason: 'class upgrade Pages.v1 → Pages.v2 has no inverse, and this node has no whole recording to replay',
    rewind: { ended: 'more than 10 operations since the flip' },
  } as const
  t.deepEqual(waits(stalled), [
    'a way back: it has no inverse and no whole recording (its recording ended: more than 10 operations since the flip)',
    'natsctl rollout undo 2, which brings the upgrade again',
  ])
  t.deepEqual(
    waits({ ...stalled, rewind: undefined } as unknown as Partial<NodeRow>)[0],
    `a way back: it has no inverse and no whole recording (${stalled.reason})`,
  )
})

test('a node of a shard that is asleep waits for nobody, or for the owner of its shard; one that was on its way is lost', (t) => {
  const asleep = { shard: 3, alive: false, phase: 'current', target: null } as const
  t.deepEqual(waits({ ...asleep, version: 1 }), [null, null])
  t.deepEqual(waits(asleep), [
    'the owner of shard 3 of pages, which wakes the node and takes it to version 1',
    'natsctl shard ls, to see who that is',
  ])
  t.regex(waits({ ...asleep, phase: 'draining', target: 1 })[0]!, /^host h1, which is not heard of/)
})
