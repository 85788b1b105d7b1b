/** A chain of versions, some of which are not answered. */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import { InvariantViolation, invariant, isInvariantViolation, unreachable } from '../../core/base/invariant.js'
import type { Receiver } from '../../core/model/methodTable.js'
import { type Link, type LinkRole, ObjectChain } from '../../core/model/objectChain.js'

const receiver = (): Receiver => ({ self: {}, touch: () => {} })
const object = receiver()
const link = (version: number, role: LinkRole, receivers: readonly Receiver[] = [object]): Link => ({
  ...{
    version,
    role,
    className: `C${version}`,
    methods: { level: 0, entries: new Map() },
    receivers,
    hears: new Map(),
  },
  tally: { calls: 0 },
})
const dead = new Fault('version.dead', 'dead')
const fault = new Fault('version.rejected', 'cut')
const below = () => dead

test('a version that is cut off is answered by the fault of its cut, and those beside it by their links', (t) => {
  const places = [link(3, 'pastSO'), { version: 4, role: 'cut', fault } as const, link(5, 'object'), link(6, 'alias')]
  const chain = new ObjectChain(5, places, below, undefined)
  t.deepEqual([chain.version, chain.oldest, chain.newest], [5, 3, 6])
  t.deepEqual(
    [2, 3, 4, 5, 6, 7].map((version) => chain.at(version)),
    [dead, places[0], fault, places[2], places[3], undefined] as never,
  )
  t.deepEqual(chain.links, [places[0], places[2], places[3]] as never)
  t.is(chain.object, places[2] as Link)
})

test('versions after the newest have the fault that is given for them', (t) => {
  const chain = new ObjectChain(2, [link(2, 'object')], below, fault)
  t.is(chain.at(3), fault)
  t.is(chain.at(1), dead)
})

test('C1: a link in another version’s place is a broken invariant', (t) => {
  for (const places of [
    [link(2, 'object'), link(4, 'futureSO')],
    [link(2, 'object'), link(1, 'pastSO')],
  ])
    t.throws(() => new ObjectChain(2, places, below, undefined), {
      name: 'InvariantViolation',
      message: /^C1: version 3 is answered by/,
    })
})

test('a chain without cuts has all its places as links', (t) => {
  const places = [link(1, 'pastSO'), link(2, 'object')]
  const chain = new ObjectChain(2, places, below, undefined)
  t.deepEqual(chain.links, places)
  t.is(chain.object, places[1]!)
})

test('C5: a link that leads to another object than the chain’s is a broken invariant', (t) => {
  const places = [link(1, 'pastSO', [receiver()]), link(2, 'object')]
  t.throws(() => new ObjectChain(2, places, below, undefined), { name: 'InvariantViolation', message: /^C5: version 1 leads to/ })
})

test('an invariant that holds is passed, and one that does not says which it is', (t) => {
  t.notThrows(() => invariant(1 === Number('1'), 'C1'))
  t.throws(() => invariant(0, 'C1: two objects'), { instanceOf: InvariantViolation, message: 'C1: two objects' })
  t.throws(() => unreachable({ type: 'moon' } as never), {
    instanceOf: InvariantViolation,
    message: 'unreachable: {"type":"moon"}',
  })
})

test('a broken invariant is told from whatever else was thrown, also where that can’t be read', (t) => {
  t.true(isInvariantViolation(new InvariantViolation('C1')))
  const revoked = Proxy.revocable({}, {})
  revoked.revoke()
  for (const thrown of [new Error('C1'), 'C1', null, undefined, { name: 'InvariantViolation' }, revoked.proxy])
    t.false(isInvariantViolation(thrown))
})
