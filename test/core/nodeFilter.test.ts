import test from 'ava'
import { checkFacts, factLengthMax, factsMax, isAdmitted, isNodeFilter } from '../../core/model/nodeFilter.js'

const node = (nodeId: string, facts = {}) => ({ nodeId, facts })

test('a filter by ids takes those named, and with * those that match', (t) => {
  t.true(isAdmitted({ nodes: ['n1', 'n2'] }, node('n2')))
  t.false(isAdmitted({ nodes: ['n1', 'n2'] }, node('n12')))
  for (const [pattern, matching, other] of [
    ['eu-*', ['eu-1', 'eu-'], ['us-1', 'eu', 'x-eu-1']],
    ['*-1', ['eu-1', '-1'], ['eu-12']],
    ['eu-*-1', ['eu-a-1', 'eu--1'], ['eu-1', 'eu-a-2']],
    ['a*b*c', ['abc', 'axbxc', 'abbc'], ['ac', 'acb', 'axc']],
    ['a*a', ['aa', 'aba'], ['a']],
    ['*', ['anything'], []],
    // Each part after the one before, and none into the end.
    ['*ab*bc', ['abbc', 'xabxbc'], ['abc', 'xabc']],
    ['a*bb*b*c', ['abbbc', 'axbbxbxc'], ['abbc', 'abxbxc']],
    ['*a*a*', ['aa', 'xaxax'], ['a', 'xax']],
    ['a*bc*c', ['abcc'], ['abc']],
  ] as const) {
    for (const id of matching) t.true(isAdmitted({ nodes: [pattern] }, node(id)), `${pattern} ${id}`)
    for (const id of other) t.false(isAdmitted({ nodes: [pattern] }, node(id)), `${pattern} ${id}`)
  }
})

test('a filter by facts takes nodes that have all of them; with ids, both must hold', (t) => {
  const filter = { facts: { zone: 'eu', gpu: 'yes' } }
  t.true(isAdmitted(filter, node('n1', { zone: 'eu', gpu: 'yes', rack: '7' })))
  t.false(isAdmitted(filter, node('n1', { zone: 'eu' })))
  t.false(isAdmitted({ ...filter, nodes: ['n2'] }, node('n1', { zone: 'eu', gpu: 'yes' })))
})

test('what comes from outside is a filter only if it says which nodes, and nothing else', (t) => {
  for (const filter of [{ nodes: ['n1'] }, { nodes: ['*'] }, { facts: { zone: 'eu' } }, { nodes: ['a*'], facts: {} }])
    t.true(isNodeFilter(filter), JSON.stringify(filter))
  for (const filter of [
    {},
    [],
    'n1',
    7,
    { nodes: [] },
    { nodes: 'n1' },
    { nodes: ['a b'] },
    { nodes: ['a.*'] },
    { nodes: ['a.b'] },
    { nodes: [''] },
    { nodes: [7] },
    { nodes: [['*']] },
    { nodes: ['-a'] },
    { nodes: ['n1', 'a b'] },
    { nodes: ['a b', 'n1'] },
    { nodes: ['n1'], facts: 7 },
    { facts: [] },
    { facts: null },
    null,
    undefined,
    Object.assign([], { nodes: ['n1'] }),
    { facts: { zone: 1 } },
  ])
    t.false(isNodeFilter(filter), JSON.stringify(filter))
  t.false(isNodeFilter({ nodes: ['n1'], zone: 'eu' }))
})

test('there may be so many facts of such a length, and no more', (t) => {
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`f${i}`, 'x']))
  t.is(Object.keys(checkFacts(many(factsMax))).length, factsMax)
  t.throws(() => checkFacts(many(factsMax + 1)), { code: 'config.invalid' })
  t.notThrows(() => checkFacts({ zone: 'x'.repeat(factLengthMax) }))
  for (const facts of [{ zone: [] }, { zone: ['eu'] }, [], Object.assign([], { zone: 'eu' }), undefined, { zone: 'eu', rack: 7 }])
    t.throws(() => checkFacts(facts), { code: 'config.invalid' })
})

test('facts that can’t be are refused with advice', (t) => {
  t.deepEqual(checkFacts({ zone: 'eu' }), { zone: 'eu' })
  for (const facts of [{ 'a b': 'c' }, { zone: 1 }, { zone: 'x'.repeat(257) }, 'eu', null])
    t.throws(() => checkFacts(facts), { code: 'config.invalid', message: /use at most 32 names/ })
})
