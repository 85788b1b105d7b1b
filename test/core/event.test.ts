/** Events: how they are described, and who hears them. */
import test from 'ava'
import { event, hearingsOf, hears } from '../../core/model/event.js'
import { describeClass, type NodeClass, NodeObject } from '../../core/model/nodeObject.js'

const changed = event<[url: string]>('changed')
const removed = event<[url: string]>('removed')

test('an event has a name and counts its parameter lists from 1', (t) => {
  t.deepEqual(event('changed'), { name: 'changed', revision: 1 })
  t.deepEqual(event('changed', { revision: 1 }), { name: 'changed', revision: 1 })
  t.deepEqual(event('changed', { revision: 7 }), { name: 'changed', revision: 7 })
})

test('what can be no event’s name or revision is refused with advice', (t) => {
  for (const name of ['', 'a.b', '_introduced', 'x'.repeat(65)])
    t.throws(() => event(name), {
      code: 'config.invalid',
      message: `event ${JSON.stringify(name)}: use 1 to 64 letters, digits, - and _, beginning with a letter or digit`,
    })
  for (const revision of [0, -1, 1.5, Number.NaN, '2' as never])
    t.throws(() => event('changed', { revision }), { code: 'config.invalid', message: 'event changed: revisions count from 1' })
})

test('a method that hears an event is a command as well', (t) => {
  class Cache extends NodeObject {
    static override readonly className = 'Cache.v1'
    @hears(changed) drop(_url: string): void {}
    @hears(removed) forget(_url: string): void {}
  }
  const { methods, hears: hearings } = describeClass(Cache)
  t.deepEqual(
    [...methods],
    [
      ['drop', 'command'],
      ['forget', 'command'],
    ],
  )
  t.deepEqual(
    [...hearings],
    [
      ['changed', { event: changed, method: 'drop' }],
      ['removed', { event: removed, method: 'forget' }],
    ],
  )
})

test('a class without hearers hears nothing', (t) => {
  class Deaf extends NodeObject {
    static override readonly className = 'Deaf.v1'
  }
  t.is(describeClass(Deaf).hears.size, 0)
})

test('a class hears what it inherits; its own word for the same method counts, and its base is as it was', (t) => {
  const again = event<[url: string, why: string]>('changed', { revision: 2 })
  class Base extends NodeObject {
    static override readonly className: string = 'Base.v1'
    @hears(changed) drop(_url: string, _why?: string): void {}
  }
  class Plain extends Base {
    static override readonly className = 'Plain.v1'
  }
  class Newer extends Base {
    static override readonly className = 'Newer.v1'
    @hears(again) override drop(_url: string, _why: string): void {}
    @hears(removed) forget(_url: string): void {}
  }
  const heard = (definition: NodeClass) => [...hearingsOf(definition.prototype, 'X')]
  t.deepEqual(heard(Plain), [['changed', { event: changed, method: 'drop' }]])
  t.deepEqual(heard(Newer), [
    ['changed', { event: again, method: 'drop' }],
    ['removed', { event: removed, method: 'forget' }],
  ])
  t.deepEqual(heard(Base), [['changed', { event: changed, method: 'drop' }]])
})

test('two methods that hear one event are refused, in one class or in it and its base', (t) => {
  class Twice extends NodeObject {
    static override readonly className = 'Twice.v1'
    @hears(changed) first(_url: string): void {}
    @hears(changed) second(_url: string): void {}
  }
  t.throws(() => describeClass(Twice), {
    code: 'config.invalid',
    message: 'Twice.v1.first and Twice.v1.second both hear event changed',
  })
  class Base extends NodeObject {
    static override readonly className: string = 'Base.v1'
    @hears(changed) first(_url: string): void {}
  }
  class Derived extends Base {
    static override readonly className = 'Derived.v1'
    @hears(changed) second(_url: string): void {}
  }
  t.throws(() => describeClass(Derived), { message: 'Derived.v1.second and Derived.v1.first both hear event changed' })
})

test('the last word on what a method hears counts', (t) => {
  class Cache extends NodeObject {
    static override readonly className = 'Cache.v1'
    drop(_url: string): void {}
  }
  const descriptor = Object.getOwnPropertyDescriptor(Cache.prototype, 'drop')! as TypedPropertyDescriptor<() => void>
  hears(changed)(Cache.prototype, 'drop', descriptor)
  hears(removed)(Cache.prototype, 'drop', descriptor)
  t.deepEqual([...hearingsOf(Cache.prototype, 'Cache.v1')], [['removed', { event: removed, method: 'drop' }]])
})
