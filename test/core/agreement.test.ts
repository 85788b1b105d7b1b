/**
 * Classes of one version agree: with those that they call (A1), and on the events that they
 * tell each other (A2).
 */
import test from 'ava'
import { event, hears } from '../../core/model/event.js'
import { describeClass, NodeObject } from '../../core/model/nodeObject.js'
import { checkAgreement, introducedEvents, usesOf } from '../../core/upgrade/agreement.js'
import type { History } from '../../core/upgrade/classLineage.js'
import type { ClassUpgradeEntry } from '../../core/upgrade/manifest.js'

const entry = (oldClass: string, newClass: string, more: Partial<ClassUpgradeEntry> = {}): ClassUpgradeEntry => ({
  service: oldClass.split('.')[0]!,
  oldClass,
  newClass,
  pastSO: 'so',
  futureSO: 'so',
  only: null,
  schedule: 'eagerly',
  oldMethods: {},
  newMethods: {},
  oldUses: [],
  newUses: [],
  inverse: false,
  ...more,
})
const history = (...upgrades: readonly (readonly ClassUpgradeEntry[])[]): History =>
  upgrades.map((classUpgrades) => ({ classUpgrades }))
const speaker = (className: string, ...uses: readonly string[]) => ({ className, uses })
const toB = entry('A.1', 'A.2')

test('A1: a class that calls what changes its type is left behind, and is refused', (t) => {
  t.throws(() => checkAgreement(history([toB]), [speaker('Client.1', 'A.1')]), {
    code: 'upgrade.invalid',
    message:
      'Client.1 calls A.1, whose type A.2 changes: upgrade Client.1 too, so that it does not call the new type with its old code',
  })
  const fault = t.throws(() => checkAgreement(history([toB]), [speaker('Client.1', 'A.1')]))
  t.deepEqual((fault as unknown as { details: unknown }).details, { caller: 'Client.1', called: 'A.1' })
})

test('A1: a subtype answers as its callers expect, and so does a class that is left alone', (t) => {
  t.notThrows(() => checkAgreement(history([entry('A.1', 'A.2', { pastSO: 'notNeeded' })]), [speaker('Client.1', 'A.1')]))
  t.notThrows(() => checkAgreement(history([toB]), [speaker('Client.1', 'B.1')]))
  t.notThrows(() => checkAgreement(history([toB]), []))
})

test('A1: a class that is upgraded at the same time is asked for what it becomes', (t) => {
  const client = (newUses: readonly string[]) => entry('Client.1', 'Client.2', { oldUses: ['A.1'], newUses })
  t.notThrows(() => checkAgreement(history([toB, client(['A.2'])]), [speaker('Client.1', 'A.1')]))
  t.throws(() => checkAgreement(history([toB, client(['A.1'])]), []), { message: /^Client\.2 calls A\.1, whose type A\.2/ })
})

test('A1: where only some nodes are upgraded, the class of the others must agree too', (t) => {
  const some = entry('Client.1', 'Client.2', { only: { nodes: ['n1'] }, newUses: ['A.2'] })
  t.throws(() => checkAgreement(history([toB, some]), [speaker('Client.1', 'A.1')]), { message: /^Client\.1 calls A\.1/ })
})

test('A1: what counts is what the called class became since the version that the caller was written for', (t) => {
  const subtype = entry('A.1', 'A.2', { pastSO: 'notNeeded' })
  const change = entry('A.2', 'A.3')
  const caller = (called: string) => [speaker('Client.1', called)]
  // Two steps away, by way of a subtype.
  t.throws(() => checkAgreement(history([subtype], [change]), caller('A.1')), {
    message: /^Client\.1 calls A\.1, whose type A\.3/,
  })
  // It was written against the new one.
  t.notThrows(() => checkAgreement(history([entry('A.1', 'A.2')], [entry('B.1', 'B.2')]), caller('A.2')))
  // A class that came back is the newest of its name.
  t.notThrows(() => checkAgreement(history([entry('A.1', 'A.2')], [entry('A.2', 'A.1')], [entry('B.1', 'B.2')]), caller('A.1')))
  // Another line's class of the same upgrade is none of its business.
  t.notThrows(() => checkAgreement(history([subtype, entry('B.1', 'B.2')]), caller('A.1')))
})

test('A2: all who publish or hear an event mean the same revision of it', (t) => {
  const upgrade = [entry('A.1', 'A.2', { oldUses: ['changed/1'], newUses: ['changed/2'] })]
  t.throws(() => checkAgreement(history(upgrade), [speaker('Hearer.1', 'changed/1')]), {
    code: 'upgrade.invalid',
    message: 'Hearer.1 has revision 1 of event changed and A.2 revision 2: upgrade both to the same',
  })
  t.notThrows(() => checkAgreement(history(upgrade), [speaker('Hearer.1', 'changed/2', 'other/1')]))
  // The old class is gone: its revision is nobody's any more.
  t.notThrows(() => checkAgreement(history(upgrade), [speaker('A.1', 'changed/1')]))
})

test('a class uses the classes that it calls and the events that it publishes or hears, each once, in order', (t) => {
  const opened = event('opened')
  const closed = event('closed', { revision: 3 })
  class Server extends NodeObject {
    static override readonly className = 'Server.v1'
  }
  class Door extends NodeObject {
    static override readonly className = 'Door.v1'
    static override readonly calls = [Server]
    static override readonly publishes = [opened, closed]
    @hears(closed) onClosed(): void {}
  }
  t.deepEqual(usesOf(describeClass(Door)), ['Server.v1', 'closed/3', 'opened/1'])
  t.deepEqual(usesOf(describeClass(Server)), [])
})

test('an event is introduced where a class begins to publish or hear it, once a version', (t) => {
  const found = introducedEvents(
    history(
      [entry('A.1', 'A.2', { oldUses: ['B.1', 'old/1'], newUses: ['B.1', 'C.1', 'old/2', 'new/1'] })],
      [entry('B.1', 'B.2', { newUses: ['C.1', 'other/1'] })],
      [
        entry('A.2', 'A.3', { oldUses: ['old/2', 'new/1'], newUses: [] }),
        entry('B.2', 'B.3', { oldUses: ['other/1'], newUses: ['new/1', 'other/1'] }),
        entry('C.1', 'C.2', { newUses: ['new/1', 'new/2'] }),
      ],
    ),
  )
  t.deepEqual(
    [...found],
    [
      ['new', [1, 3]],
      ['other', [2]],
    ],
  )
})
