/**
 * Class upgrades that concern some nodes only (§2), by their ids and by the facts of the host
 * where they were born.
 */
import test from 'ava'
import {
  command,
  defineUpgrade,
  eagerly,
  futureSO,
  type NodeFilter,
  NodeObject,
  none,
  notNeeded,
  query,
  upgradeClass,
} from '../../index.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

class IndexV1 extends NodeObject<{ words: string[] }> {
  static override readonly className: string = 'Index.v1'
  static override initial() {
    return { words: [] as string[] }
  }
  @command add(word: string): void {
    this.state.words.push(word)
  }
  @query find(word: string): string {
    return this.state.words.includes(word) ? 'found by looking at all' : 'not found'
  }
}

/** The same type; another implementation, for hosts with much memory. */
class IndexV2 extends NodeObject<{ words: Record<string, true> }> {
  static override readonly className: string = 'Index.v2'
  static override initial() {
    return { words: {} }
  }
  @command add(word: string): void {
    this.state.words[word] = true
  }
  @query find(word: string): string {
    return this.state.words[word] ? 'found at once' : 'not found'
  }
}

class IndexV3 extends IndexV2 {
  static override readonly className: string = 'Index.v3'
  @query size(): number {
    return Object.keys(this.state.words).length
  }
}

const table = (words: readonly string[]) => ({ words: Object.fromEntries(words.map((word) => [word, true as const])) })

const someOnly = (only: NodeFilter) =>
  defineUpgrade({
    title: 'Some indexes have a table',
    classUpgrades: [
      upgradeClass({
        oldClass: IndexV1,
        newClass: IndexV2,
        futureSO: notNeeded,
        pastSO: notNeeded,
        only,
        transform: (old) => table(old.words),
        inverse: { transform: ({ words }) => ({ words: Object.keys(words) }) },
        schedule: eagerly(),
      }),
    ],
  })

const parts = { simulates: IndexV3, delegates: ['add', 'find'], refuses: ['size'], methods: {} } as const
const sizeOverV1 = futureSO({ ...parts, over: IndexV1 })
const sizeOverV2 = futureSO({ ...parts, over: IndexV2 })

const bothToV3 = () =>
  defineUpgrade({
    title: 'Indexes have a size',
    classUpgrades: [
      upgradeClass({
        oldClass: IndexV1,
        newClass: IndexV3,
        futureSO: sizeOverV1,
        pastSO: notNeeded,
        transform: (old) => table(old.words),
        schedule: eagerly(),
      }),
      upgradeClass({
        oldClass: IndexV2,
        newClass: IndexV3,
        futureSO: sizeOverV2,
        pastSO: notNeeded,
        transform: (old) => ({ words: old.words }),
        schedule: eagerly(),
      }),
    ],
  })

test('a restricted class upgrade concerns the nodes it names; the others advance at once and keep their class', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('a')
  const [n1, n2] = [await host.node(IndexV1, 'n1'), await host.node(IndexV1, 'n2')]
  for (const id of ['n1', 'n2']) await host.ref(IndexV1, id).add('word')
  await system.publish(someOnly({ nodes: ['n1'] }))
  await Promise.all([n1.reached(1), n2.reached(1)])
  t.deepEqual([n1.className, n2.className], ['Index.v2', 'Index.v1'])
  for (const version of [0, 1]) {
    t.is(await host.ref(IndexV1, 'n1', { version }).find('word'), 'found at once')
    t.is(await host.ref(IndexV1, 'n2', { version }).find('word'), 'found by looking at all')
  }
})

test('code written for either class may call either node', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('a')
  const [n1, n2] = [await host.node(IndexV1, 'n1'), await host.node(IndexV1, 'n2')]
  await system.publish(someOnly({ nodes: ['n1'] }))
  await Promise.all([n1.reached(1), n2.reached(1)])
  for (const target of [IndexV1, IndexV2])
    for (const id of ['n1', 'n2']) t.is(await system.desk.ref(target, id).find('word'), 'not found')
  t.is(await codeOf(system.desk.ref(IndexV3, 'n1').find('word')), 'protocol.wrong-class')
})

test('a later upgrade joins both classes, and refuses to take one along and leave the other', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('a')
  const [n1, n2] = [await host.node(IndexV1, 'n1'), await host.node(IndexV1, 'n2')]
  for (const id of ['n1', 'n2']) await host.ref(IndexV1, id).add('word')
  await system.publish(someOnly({ nodes: ['n1'] }))
  const both = bothToV3()
  const half = { ...both, classUpgrades: both.classUpgrades.slice(0, 1) }
  t.is(await codeOf(system.publish(half)), 'upgrade.invalid')
  await system.publish(both)
  await Promise.all([n1.reached(2), n2.reached(2)])
  for (const id of ['n1', 'n2']) t.is(await host.ref(IndexV3, id).size(), 1)
})

test('a node is filtered by the facts of the host where it was born, also at its birth, and keeps them elsewhere', async (t) => {
  const system = await TestSystem.start(t)
  const big = await system.host('big', { facts: { memory: 'much' } })
  const small = await system.host('small')
  const n1 = await big.node(IndexV1, 'n1')
  await small.node(IndexV1, 'n2')
  await system.publish(someOnly({ facts: { memory: 'much' } }))
  await n1.reached(1)
  t.is(n1.className, 'Index.v2')
  await small.nodes.get('n2')!.reached(1)
  await Promise.all([big.node(IndexV1, 'n3'), small.node(IndexV1, 'n4')])
  // The answers of a node tell its class: a handle could have it from the upgrades alone.
  const found = async (id: string) => {
    const ref = system.desk.ref(IndexV1, id, { version: 1 })
    await ref.add('word')
    return ref.find('word')
  }
  t.is(await found('n3'), 'found at once')
  t.is(await found('n4'), 'found by looking at all')
  const state = big.kill()
  const moved = await system.host('moved', { state })
  await Promise.all([moved.node(IndexV1, 'n1'), moved.node(IndexV1, 'n3')])
  t.is(await found('n1'), 'found at once')
  t.is(await found('n3'), 'found at once')
})

test('a filter where a simulation object is missing is refused', (t) => {
  const whole = {
    oldClass: IndexV2,
    newClass: IndexV3,
    futureSO: none,
    pastSO: notNeeded,
    transform: (old: { words: Record<string, true> }) => old,
    schedule: eagerly(),
  } as const
  const missing = { code: 'upgrade.invalid', message: /with "only" there have to be a pastSO and a futureSO/ } as const
  t.throws(() => upgradeClass({ ...whole, only: { nodes: ['n1'] } }), missing)
  t.notThrows(() => upgradeClass({ ...whole, futureSO: sizeOverV2, only: { nodes: ['n1'] } }))
  t.throws(() => someOnly({ nodes: [] }), { code: 'upgrade.invalid', message: /only is/ })
})

test('an upgrade for some nodes that is published twice is refused the second time, and taken again after its undo', async (t) => {
  const system = await TestSystem.start(t)
  const built = system.build(someOnly({ nodes: ['n1'] }))
  const { operator } = system.desk.running
  t.is(await system.desk.running.publish(built), 1)
  t.is(await codeOf(system.desk.running.publish(built)), 'upgrade.invalid')
  t.is(await operator.undo(), 2)
  t.is(await operator.undo(), 3)
  t.is(await codeOf(system.desk.running.publish(built)), 'upgrade.invalid')
  t.is(await operator.undo(), 4)
  t.is(await system.desk.running.publish(built), 5)
})
