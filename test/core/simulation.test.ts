/** Simulation objects as they are written: what comes past the compiler is refused with what to change. */
import test from 'ava'
import {
  futureSO,
  isSimulation,
  isSO,
  noCollections,
  none,
  notNeeded,
  pastSO,
  type Simulation,
} from '../../core/model/simulation.js'
import { command, NodeObject, query } from '../../index.js'

class V1 extends NodeObject {
  static override readonly className = 'Box.v1'
  @query get(): number {
    return 1
  }
  @command put(_value: number): void {}
  @query size(): number {
    return 1
  }
}
class V2 extends NodeObject {
  static override readonly className = 'Box.v2'
  @query get(): number {
    return 2
  }
  @command put(_value: number): void {}
  @command size(): number {
    return 2
  }
}

type Build = (parts: Record<string, unknown>) => Simulation
const [past, future] = [pastSO as unknown as Build, futureSO as unknown as Build]
const own = () => 3
const whole = { simulates: V1, over: V2, delegates: ['get'], refuses: ['put'], methods: { size: own } }

test('a simulation object is what it was written as, and what was left out is empty', (t) => {
  const initial = () => ({ a: 1 })
  const made = past({ ...whole, initial, records: { pages: own } })
  t.deepEqual([made.simulates, made.over, made.delegates, made.refuses, made.methods], [V1, V2, ['get'], ['put'], { size: own }])
  t.is(made.initial, initial)
  t.deepEqual(made.records, { pages: { from: 'pages', beside: 'pages', record: own } })
  const bare = past({ simulates: V1, over: V2, methods: { get: own, put: own, size: own } })
  t.deepEqual([bare.delegates, bare.refuses, bare.records], [[], [], null])
  t.deepEqual(bare.initial(undefined, noCollections), {})
  const delegating = past({ simulates: V1, over: V2, delegates: ['get', 'put'], refuses: ['size'] })
  t.deepEqual(delegating.methods, {})
})

test('each method of the simulated class is delegated, refused or implemented, and no other is', (t) => {
  const refused = (parts: object, message: string, build = past, role = 'pastSO') =>
    t.throws(() => build({ ...whole, ...parts }), {
      code: 'upgrade.invalid',
      message: `${role} of Box.v1 over Box.v2: ${message}`,
    })
  refused({ delegates: [] }, 'get is neither delegated, refused nor implemented')
  refused({ refuses: [] }, 'put is neither delegated, refused nor implemented')
  refused({ methods: {} }, 'size is neither delegated, refused nor implemented')
  refused({ delegates: ['get', 'dance'] }, 'dance is not a remote method of Box.v1')
  refused({ refuses: ['put', 'dance'] }, 'dance is not a remote method of Box.v1')
  refused({ methods: { size: own, dance: own } }, 'dance is not a remote method of Box.v1')
  refused({ refuses: ['put', 'get'] }, 'get is treated twice')
  refused({ methods: { size: own, put: own } }, 'put is treated twice')
  refused({ methods: { size: 7 } }, 'size is not a function')
  refused({ initial: 7 }, 'initial is not a function')
  refused({ delegates: [] }, 'get is neither delegated, refused nor implemented', future, 'futureSO')
})

test('what the next object lacks, or answers by a command where a query is asked, can’t be delegated', (t) => {
  const parts = { ...whole, delegates: ['get', 'size'], methods: {} }
  t.throws(() => past(parts), {
    message: "pastSO of Box.v1 over Box.v2: size can't be delegated: it is a query of Box.v1 and a command of Box.v2",
  })
  // The other way round it can: a command may be answered by a query.
  t.notThrows(() => future({ ...parts, simulates: V2, over: V1 }))
  class Less extends NodeObject {
    static override readonly className = 'Box.v3'
  }
  t.throws(() => past({ ...whole, over: Less }), {
    message: "pastSO of Box.v1 over Box.v3: get can't be delegated: Box.v3 has no such method",
  })
})

test('both classes of a simulation object are classes of nodes', (t) => {
  for (const part of ['simulates', 'over'])
    for (const value of [undefined, class {}, {}])
      t.throws(() => future({ ...whole, [part]: value }), {
        code: 'upgrade.invalid',
        message: `futureSO: ${part} is not a class that extends NodeObject`,
      })
})

test('a rule of records that is none is named by its role', (t) => {
  t.throws(() => past({ ...whole, records: { pages: 7 } }), { code: 'upgrade.invalid', message: /^pastSO\.records\.pages: use/ })
})

test('a past-SO is none of the future, and what is neither is no simulation object', (t) => {
  const [before, after] = [past(whole), future({ ...whole })]
  t.true(isSimulation(before, 'pastSO') && isSimulation(after, 'futureSO'))
  t.false(isSimulation(before, 'futureSO') || isSimulation(after, 'pastSO'))
  for (const value of [null, undefined, 7, {}, none, notNeeded, () => {}]) t.false(isSimulation(value, 'pastSO'))
  t.true(isSO(before))
  t.false(isSO(none))
  t.false(isSO(notNeeded))
})

test('a future-SO begins without input: the collections that it is shown are empty', async (t) => {
  const old = noCollections.old('pages')
  t.deepEqual([old.get('a'), old.has('a'), [...old.entries()]], [undefined, false, []])
  noCollections.own('pages').put('a', 1)
  t.is(noCollections.old('pages').get('a'), undefined)
  t.is(await noCollections.flushed(), undefined)
})
