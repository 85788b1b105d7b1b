/**
 * Classes of one version agree: with those that they call (A1), and on the events that they
 * tell each other (A2).
 */
import test from 'ava'
import { event, hears } from '../../core/model/event.js'
import { command, query } from '../../core/model/methods.js'
import { describeClass, NodeObject } from '../../core/model/nodeObject.js'
import { uses } from '../../core/model/uses.js'
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

const some = entry('A.1', 'A.2', { delegated: { 'A.1': ['get', 'put'], 'A.2': ['get'] } })

test('A1: where it is known which methods are called, those alone count', (t) => {
  const client = speaker('Client.1', 'A.1', 'A.1:get/1', 'A.1:put/1', 'B.1')
  t.notThrows(() => checkAgreement(history([some]), [client]))
  t.throws(() => checkAgreement(history([some]), [speaker('Client.1', 'A.1', 'A.1:drop/1', 'A.1:get/1')]), {
    message: /^Client\.1 calls A\.1\.drop, which A\.2 changes: upgrade Client\.1 too/,
  })
  // Nothing is known of this upgrade's methods, or all of them may be called.
  t.throws(() => checkAgreement(history([toB]), [client]), { message: /calls A\.1\.get, put, which A\.2 changes/ })
  t.throws(() => checkAgreement(history([some]), [speaker('Client.1', 'A.1')]), { message: /^Client\.1 calls A\.1, whose type/ })
})

test('A1: each upgrade since the caller was written has to leave the methods alone, and so has an undo', (t) => {
  const next = entry('A.2', 'A.3', { delegated: { 'A.2': ['put'] } })
  const caller = (...methods: readonly string[]) => [speaker('Client.1', 'A.1', ...methods.map((method) => `A.1:${method}/1`))]
  t.notThrows(() => checkAgreement(history([some], [next]), caller('put')))
  t.throws(() => checkAgreement(history([some], [next]), caller('get')), { message: /calls A\.1\.get, which A\.3 changes/ })
  const back = { ...some, oldClass: 'A.2', newClass: 'A.1' }
  t.notThrows(() => checkAgreement(history([some], [back]), caller('drop')))
  t.notThrows(() => checkAgreement(history([some], [back]), [speaker('Client.2', 'A.2', 'A.2:get/1')]))
})

test('a method that is called is no event: nobody introduces it, and no revisions of it disagree', (t) => {
  const brings = entry('Client.1', 'Client.2', { newUses: ['A.1', 'A.1:get/1'] })
  t.deepEqual([...introducedEvents(history([brings]))], [])
  t.notThrows(() => checkAgreement(history([brings]), [speaker('Other.1', 'A.1:get/2')]))
})

class Orders extends NodeObject {
  static override readonly className = 'Orders.v1'
  @query paidAfter(_day: number): number {
    return 0
  }
  @command cancel(): void {}
}

const named = (...calls: readonly unknown[]) =>
  class extends NodeObject {
    static override readonly className = 'Refunds.v1'
    static override readonly calls = calls as never
  }

test('a class says which methods it calls, in a list or in a record', (t) => {
  const expected = ['Orders.v1', 'Orders.v1:cancel/1', 'Orders.v1:paidAfter/1']
  t.deepEqual(usesOf(describeClass(named(uses(Orders, ['paidAfter', 'cancel', 'paidAfter'])))), expected)
  t.deepEqual(usesOf(describeClass(named(uses(Orders, ['paidAfter']), uses(Orders, ['cancel'])))), expected)
  class Record extends NodeObject {
    static override readonly className = 'Record.v1'
    static override readonly calls = () => ({ orders: uses(Orders, ['paidAfter', 'cancel']) })
  }
  t.deepEqual(usesOf(describeClass(Record)), expected)
  t.deepEqual([...describeClass(Record).callsServices], ['record', 'orders'])
  // Named as a whole too: it may call any.
  t.deepEqual(usesOf(describeClass(named(Orders, uses(Orders, ['cancel'])))), ['Orders.v1'])
  t.is(describeClass(named(Orders, uses(Orders, ['cancel']))).callsOnly.size, 0)
})

test('methods that there are not, none, or too many, are refused where they are named', (t) => {
  const wrong = { code: 'config.invalid' } as const
  t.throws(() => uses(Orders, []), { ...wrong, message: /name 1 to 64 methods/ })
  t.throws(() => uses(Orders, 'cancel' as never), wrong)
  t.throws(() => uses(Orders, [1] as never), wrong)
  t.throws(() => uses(Orders, Array(65).fill('cancel')), wrong)
  t.throws(() => describeClass(named(uses(Orders, ['nobody' as never]))), { ...wrong, message: /no remote method nobody/ })
})

test('the methods that are called are read from the text of the class, where it leaves no doubt', (t) => {
  class Sure extends NodeObject {
    static override readonly className: string = 'Sure.v1'
    static override readonly calls = [Orders]
    @command async go(id: string): Promise<void> {
      await this.ref(Orders, this.#named(id, ')')).paidAfter(1)
      this.sender(Orders).cancel()
    }
    #named(id: string, more: string): string {
      return id + more
    }
  }
  const expected = ['Orders.v1', 'Orders.v1:cancel/1', 'Orders.v1:paidAfter/1']
  t.deepEqual(usesOf(describeClass(Sure)), expected)
  t.is(describeClass(Sure).callsOnly.size, 0, 'what is read is no order')
  class Heir extends Sure {
    static override readonly className = 'Heir.v1'
  }
  t.deepEqual(usesOf(describeClass(Heir)), expected)
  const more = {
    go(this: Sure) {
      return (this as any).ref(Orders)
    },
  }.go
  t.deepEqual(usesOf(describeClass(Sure), [more]), ['Orders.v1'], 'a simulation object keeps a reference')
  t.deepEqual(usesOf(describeClass(Sure)), expected)
})

test('the text of a class that leaves a doubt names no methods', (t) => {
  class Kept extends NodeObject {
    static override readonly className = 'Kept.v1'
    static override readonly calls = [Orders]
    @command async go(): Promise<void> {
      const orders = this.ref(Orders)
      await orders.cancel()
    }
  }
  class Computed extends NodeObject {
    static override readonly className = 'Computed.v1'
    static override readonly calls = [Orders]
    @command async go(name: 'cancel'): Promise<void> {
      await this.ref(Orders)[name]()
      await this.ref(Orders).cancel()
    }
  }
  class Itself extends NodeObject {
    static override readonly className = 'Itself.v1'
    static override readonly calls = [Orders]
    @command async go(): Promise<void> {
      const by = 'ref'
      await this[by](Orders).cancel()
      await this.ref(Orders).cancel()
    }
  }
  const Alias = Orders
  class Renamed extends NodeObject {
    static override readonly className = 'Renamed.v1'
    static override readonly calls = [Orders]
    @command async go(): Promise<void> {
      await this.ref(Alias).paidAfter(1)
      await this.ref(Orders).cancel()
    }
  }
  class Silent extends NodeObject {
    static override readonly className = 'Silent.v1'
    static override readonly calls = [Orders]
  }
  for (const doubtful of [Kept, Computed, Itself, Renamed, Silent])
    t.deepEqual(usesOf(describeClass(doubtful)), ['Orders.v1'], doubtful.className)
})
