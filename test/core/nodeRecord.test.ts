/** A node's record: which parts of the store belong to it, and where they are. */
import test from 'ava'
import {
  checkRecord,
  type Generation,
  generationOf,
  keys,
  type LazySlot,
  type StateSlot,
  stateSlot,
  stateSlotOfKey,
  stateSlotsOf,
  withLazy,
} from '../../core/model/nodeRecord.js'

const generation: Generation = {
  number: 12,
  version: 3,
  className: 'Box.v3',
  object: '12.3',
  simulations: { 2: '12.2', 4: '7.4' },
}
const lazySlot = (old: StateSlot, beside: StateSlot | null): LazySlot => ({
  ...{ upgrade: 3, role: 'object', undoes: false, old, beside, next: { pages: '' }, passed: 0 },
})

test('a slot has the number of its generation and the version that it implements', (t) => {
  t.is(stateSlot(12, 3), '12.3')
  t.is(generationOf('12.3'), 12)
  t.is(generationOf(stateSlot(0, 10)), 0)
})

test('a generation’s slots are the object’s and those of its simulation objects, each once', (t) => {
  t.deepEqual([...stateSlotsOf(generation)].sort(), ['12.2', '12.3', '7.4'])
  t.deepEqual([...stateSlotsOf({ ...generation, simulations: { 2: '12.3' } })], ['12.3'])
})

test('slots of which others are still being made belong to the generation too, however many steps back', (t) => {
  const lazy = { '12.3': lazySlot('6.2', '6.3'), '6.2': lazySlot('5.1', null), '9.9': lazySlot('8.8', '8.9') } as const
  t.deepEqual([...stateSlotsOf({ ...generation, lazy })].sort(), ['12.2', '12.3', '5.1', '6.2', '6.3', '7.4'])
})

test('what is still to be made is kept as long as somebody needs it', (t) => {
  const lazy = { '12.3': lazySlot('6.2', null), '6.2': lazySlot('5.1', null), '9.9': lazySlot('8.8', null) } as const
  const { '9.9': _, ...needed } = lazy
  t.deepEqual(withLazy(generation, lazy), { ...generation, lazy: needed })
  // When the object's is done the one before goes as well.
  t.deepEqual(withLazy({ ...generation, lazy }, { '6.2': lazy['6.2'] }), generation)
  t.deepEqual(withLazy({ ...generation, lazy }, {}), generation)
  t.false('lazy' in withLazy({ ...generation, lazy }, {}))
})

test('keys of one node’s slot are no other node’s and no other slot’s', (t) => {
  const [from, to] = keys.stateSlot('n1', '1.2')
  const inside = [keys.root('n1', '1.2'), keys.collection('n1', '1.2', 'pages'), `${keys.collection('n1', '1.2', 'pages')}key`]
  for (const key of inside) {
    t.true(from <= key && key < to, key)
    t.is(stateSlotOfKey('n1', key), '1.2')
  }
  const outside = [keys.root('n1', '1.20'), keys.root('n1', '1.1'), keys.root('n10', '1.2'), keys.record('n1')]
  for (const key of outside) t.false(from <= key && key < to, key)
  const [first, last] = keys.allStateSlots('n1')
  for (const key of [...inside, keys.root('n1', '1.20')]) t.true(first <= key && key < last)
  t.false(first <= keys.root('n10', '1.2') && keys.root('n10', '1.2') < last)
})

test('records, manifests and bundles are found in their ranges, manifests in the order of their versions', (t) => {
  const [first, last] = keys.allRecords
  t.true(first <= keys.record('a') && keys.record('z') < last)
  const [firstManifest, lastManifest] = keys.allManifests
  t.true(firstManifest <= keys.manifest(0) && keys.manifest(4_294_967_295) < lastManifest)
  t.true(keys.manifest(9) < keys.manifest(10) && keys.manifest(99) < keys.manifest(1_000_000_000))
  t.is(keys.bundle('ab'), 'b/ab')
  t.throws(() => keys.collection('n1', '1.2', 'a/b'), { code: 'config.invalid' })
})

test('a record of format 1 is read as one of today’s, and one of a newer release is refused', (t) => {
  for (const format of [1, 2]) t.deepEqual(checkRecord({ format, nodeId: 'n1' }) as object, { format: 2, nodeId: 'n1' })
  for (const [value, shown] of [
    [{ format: 3 }, '3'],
    [{ format: '1' }, '1'],
    [{}, 'undefined'],
    [null, 'undefined'],
    [undefined, 'undefined'],
    ['text', 'undefined'],
  ] as const)
    t.throws(() => checkRecord(value), {
      code: 'config.invalid',
      message: `node record of format ${shown}: this Theseus reads formats 1 to 2`,
    })
  // Something else that has the field is no record.
  t.throws(() => checkRecord(Object.assign(() => 1, { format: 1 })), { code: 'config.invalid' })
})
