/** Class upgrades compared, old class against new: what can be seen of them at run time, and no more. */
import test from 'ava'
import { isFault } from '../../core/base/fault.js'
import { event, hears } from '../../core/model/event.js'
import { command, query } from '../../core/model/methods.js'
import { NodeObject } from '../../core/model/nodeObject.js'
import { futureSO, none, notNeeded, pastSO } from '../../core/model/simulation.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { reversed } from '../../core/upgrade/reversedUpgrade.js'
import { type Upgrade, upgradeClass } from '../../core/upgrade/upgrade.js'
import { classChange } from '../../rehearsal/rollout/classChange.js'
import { changesOf } from '../../rehearsal/rollout/combinedChanges.js'
import { shapeOf } from '../../rehearsal/rollout/stateShape.js'
import { ShopV1, ShopV2, shops, TillV2, tills, upgradeOf } from './proposals.js'

const sold = event<[item: string]>('sold')
const soldTwo = event<[item: string, count: number]>('sold', { revision: 2 })

class BookV1 extends NodeObject<{ title: string; sold: number; authors: string[]; old: null }> {
  static override readonly className: string = 'Book.v1'
  static override readonly service: string = 'book'
  static override readonly publishes = [sold]
  static override initial(): object {
    return { title: '', sold: 0, authors: [], old: null }
  }
  @hears(sold) note(_item: string): void {
    this.collection('notes').put('n', 1)
  }
  @command sell(): void {}
  @query read(): string {
    return this.collection('pages').get('1') as string
  }
}

class BookV2 extends NodeObject<{ title: { text: string }; sold: number; authors: string[]; isbn: string }> {
  static override readonly className: string = 'Book.v2'
  static override readonly service: string = 'book'
  static override initial() {
    return { title: { text: '' }, sold: 0, authors: [], isbn: '' }
  }
  @hears(soldTwo) noted(_item: string, _count: number): void {
    this.collection('notes').put('n', 1)
  }
  @query sell(): void {}
  @query read(): string {
    return this.collection('chapters').get('1') as string
  }
}

/** Past the compiler, as JavaScript would have it. */
const books = { oldClass: BookV1, newClass: BookV2 }

test('methods are told with their marks, and with what each simulation object does with them', (t) => {
  const { methods, service, oldClass, newClass, isSame } = classChange(shops(eagerly()))
  t.deepEqual([service, oldClass, newClass, isSame], ['shop', 'Shop.v1', 'Shop.v2', false])
  t.deepEqual(methods, [
    { method: 'count', old: 'query', new: 'query', futureSO: 'delegates', pastSO: 'delegates' },
    { method: 'order', old: null, new: 'command', futureSO: 'refuses', pastSO: null },
    { method: 'sell', old: 'command', new: 'command', futureSO: 'delegates', pastSO: 'mayRefuse' },
  ])
})

test('events, calls, fields of the state and collections are told as added, removed, kept and changed', (t) => {
  const change = classChange({ ...books, futureSO: none, pastSO: none })
  t.deepEqual(change.publishes, { added: [], removed: ['sold/1'], kept: [] })
  t.deepEqual(change.hears, { added: ['sold/2 by noted'], removed: ['sold/1 by note'], kept: [] })
  t.deepEqual(change.collections, { added: ['chapters'], removed: ['pages'], kept: ['notes'] })
  t.like(change.state, {
    added: ['isbn'],
    removed: ['old'],
    kept: ['authors', 'sold', 'title'],
    changed: [{ field: 'title', old: 'text', new: '{ text: text }' }],
  })
  t.deepEqual(classChange(tills(eagerly())).calls, { added: ['Shop.v2'], removed: ['Shop.v1'], kept: [] })
})

test('without a simulation object every method of the other class is neither simulated nor refused', (t) => {
  const { open, futureSO, pastSO: past, methods } = classChange({ ...books, futureSO: none, pastSO: none })
  t.deepEqual([futureSO, past], ['none', 'none'])
  t.is(methods.find(({ method }) => method === 'noted')!.futureSO, 'cut')
  t.deepEqual(
    open.map(({ method, role, why }) => `${method} ${role} ${why}`),
    ['note pastSO cut', 'noted futureSO cut', 'read futureSO cut', 'read pastSO cut', 'sell futureSO cut', 'sell pastSO cut'],
  )
})

test('what is not needed leaves open methods that are a command of one class and a query of the other', (t) => {
  const { open } = classChange({ ...books, futureSO: notNeeded, pastSO: notNeeded })
  t.deepEqual(open, [
    { method: 'sell', role: 'futureSO', why: 'asIs' },
    { method: 'sell', role: 'pastSO', why: 'asIs' },
  ])
})

test('a method that a simulation object names nowhere can’t be defined, and would be told', (t) => {
  const ahead = { simulates: ShopV2, over: ShopV1, delegates: ['sell'], methods: {} }
  t.throws(() => futureSO(ahead as never), { message: /order is neither delegated, refused nor implemented/ })
  const whole = shops(eagerly())
  const cut = { ...(whole.futureSO as object), refuses: [] } as never
  t.deepEqual(classChange({ ...whole, futureSO: cut }).open, [{ method: 'order', role: 'futureSO', why: 'open' }])
})

test('an upgrade that keeps all that can be seen is the same', (t) => {
  class TillV3 extends TillV2 {
    static override readonly className = 'Till.v3'
  }
  const change = classChange({ oldClass: TillV2, newClass: TillV3, futureSO: notNeeded, pastSO: notNeeded })
  t.true(change.isSame)
  t.deepEqual(change.open, [])
  class WithState extends TillV2 {
    static override readonly className = 'Till.v3'
    static override initial() {
      return { sum: 0 }
    }
  }
  t.false(classChange({ oldClass: TillV2, newClass: WithState, futureSO: notNeeded, pastSO: notNeeded }).isSame)
  class WithMethod extends TillV2 {
    static override readonly className = 'Till.v3'
    @query sum(): number {
      return 0
    }
  }
  t.false(classChange({ oldClass: TillV2, newClass: WithMethod, futureSO: none, pastSO: notNeeded }).isSame)
})

test('collections of classes that a class extends are its own too', (t) => {
  class Edition extends BookV1 {
    static override readonly className = 'Book.v3'
  }
  const { collections } = classChange({ oldClass: BookV1, newClass: Edition, futureSO: notNeeded, pastSO: notNeeded })
  t.deepEqual(collections, { added: [], removed: [], kept: ['notes', 'pages'] })
})

class ShopV3 extends NodeObject<{ stock: Record<string, number>; orders: string[] }> {
  static override readonly className = 'Shop.v3'
  static override initial() {
    return { stock: {}, orders: [] }
  }
  @command order(_item: string): void {}
  @query count(_item: string): number {
    return 0
  }
}

const toV3 = upgradeClass({
  oldClass: ShopV2,
  newClass: ShopV3,
  futureSO: notNeeded,
  pastSO: pastSO({ simulates: ShopV2, over: ShopV3, delegates: ['order', 'count'], refuses: ['sell'], methods: {} }),
  transform: (old) => old,
  schedule: eagerly(),
})

test('of several versions a call goes through all simulation objects, until one does not pass it on', (t) => {
  const [change, ...others] = changesOf([upgradeOf([shops(eagerly())]), upgradeOf([toV3])])
  t.deepEqual(others, [])
  t.deepEqual([change!.oldClass, change!.newClass, change!.futureSO, change!.pastSO], ['Shop.v1', 'Shop.v3', 'so', 'so'])
  t.deepEqual(change!.methods, [
    { method: 'count', old: 'query', new: 'query', futureSO: 'delegates', pastSO: 'delegates' },
    // The newer future-SO lets it through, the older one refuses it.
    { method: 'order', old: null, new: 'command', futureSO: 'refuses', pastSO: null },
    { method: 'sell', old: 'command', new: null, futureSO: null, pastSO: 'mayRefuse' },
  ])
})

test('the newest future-SO decides first, and the oldest past-SO', (t) => {
  const own = { order() {} }
  const ahead = futureSO({ simulates: ShopV3, over: ShopV2, delegates: ['count'], methods: own })
  const change = classChange(shops(eagerly()), { ...toV3, futureSO: ahead })
  t.is(change.methods.find(({ method }) => method === 'order')!.futureSO, 'implements')
  t.is(change.methods.find(({ method }) => method === 'sell')!.pastSO, 'mayRefuse')
})

test('an upgrade and its undo together change nothing', (t) => {
  const upgrade: Upgrade = upgradeOf([tills(eagerly())])
  const [change] = changesOf([upgrade, reversed(upgrade)])
  t.deepEqual([change!.oldClass, change!.newClass, change!.isSame], ['Till.v1', 'Till.v1', true])
})

test('classes that an upgrade brings to some nodes only are told beside those that stay', (t) => {
  class TillV3 extends TillV2 {
    static override readonly className = 'Till.v3'
  }
  const some = upgradeClass({
    oldClass: TillV2,
    newClass: TillV3,
    futureSO: notNeeded,
    pastSO: notNeeded,
    transform: () => ({}),
    schedule: eagerly(),
    only: { nodes: ['t1'] },
  })
  const changes = changesOf([upgradeOf([tills(eagerly())]), upgradeOf([some])])
  t.deepEqual(
    changes.map(({ oldClass, newClass }) => [oldClass, newClass]),
    [
      ['Till.v1', 'Till.v2'],
      ['Till.v1', 'Till.v3'],
    ],
  )
})

test('a shape names what is in each field, some levels deep', (t) => {
  const deep = { a: { b: { c: { d: { e: 1 } } } } }
  const state = { n: 1, s: '', b: true, l: [], ls: [''], r: {}, z: null, bytes: new Uint8Array(), at: new Date(0), deep }
  t.deepEqual(shapeOf(state), {
    at: 'time',
    b: 'boolean',
    bytes: 'bytes',
    deep: '{ a: { b: { c: record } } }',
    l: 'list',
    ls: 'list of text',
    n: 'number',
    r: 'record',
    s: 'text',
    z: 'null',
  })
})

test('a class whose initial state throws is told by its name', (t) => {
  class Broken extends TillV2 {
    static override readonly className = 'Till.v3'
    static override initial(): never {
      throw new Error('no disk')
    }
  }
  const fault = t.throws(() => classChange({ oldClass: TillV2, newClass: Broken, futureSO: notNeeded, pastSO: notNeeded }))
  t.true(isFault(fault) && fault.code === 'upgrade.invalid')
  t.is(fault!.message, 'Till.v3.initial() throws: no disk')
})
