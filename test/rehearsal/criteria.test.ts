/** Upgrades that break a correctness criterion (§7), each in its way: the rehearsal finds them. */
import test from 'ava'
import { command, defineUpgrade, eagerly, futureSO, NodeObject, notNeeded, pastSO, query, upgradeClass } from 'theseus-actors'
import { chained, mapping, rehearse, type ScriptedCall } from '../../rehearsal/criteria.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { PagesV2 } from '../../samples/02-pages-comments/pages.v2.js'
import { PagesV3 } from '../../samples/02-pages-comments/pages.v3.js'
import comments from '../../samples/02-pages-comments/upgrades/1-comments.js'
import { fromComments, toComments } from '../../samples/02-pages-comments/upgrades/1-comments.mapping.js'
import likes from '../../samples/02-pages-comments/upgrades/2-likes.js'
import { toLikes } from '../../samples/02-pages-comments/upgrades/2-likes.mapping.js'

const urls = ['/a', '/b']
const items = ['mast', 'keel']
const at = (versions: readonly number[], method: string, args: readonly unknown[]): ScriptedCall[] =>
  versions.map((version) => ({ version, method, args }))

/** The calls that show versions 0 and 1 of the pages. */
const pagesSeen = urls.flatMap((url) => [...at([0, 1], 'get', [url]), ...at([1], 'comments', [url])])

// The paper's own counter-example (§7.1): removals kept in the SO's rep and "subtracted" when
// calls observe the set.
class SetV1 extends NodeObject<{ items: string[] }> {
  static override readonly className = 'Set.v1'
  static override initial() {
    return { items: [] }
  }
  @command add(item: string): void {
    if (!this.state.items.includes(item)) this.state.items.push(item)
  }
  @query has(item: string): boolean {
    return this.state.items.includes(item)
  }
}

class SetV2 extends NodeObject<{ items: string[] }> {
  static override readonly className = 'Set.v2'
  static override initial() {
    return { items: [] }
  }
  @command add(item: string): void {
    if (!this.state.items.includes(item)) this.state.items.push(item)
  }
  @query has(item: string): boolean {
    return this.state.items.includes(item)
  }
  @command remove(item: string): void {
    this.state.items = this.state.items.filter((each) => each !== item)
  }
}

const setSeen = items.flatMap((item) => at([0, 1], 'has', [item]))
const setMapping = mapping({ from: SetV1, to: SetV2, state: ({ items }) => ({ items }), dependent: ['has'] })
const setMappingBack = mapping({ from: SetV2, to: SetV1, state: ({ items }) => ({ items }), dependent: ['has'] })

test('removals that a future-SO subtracts are found: by the mapping at once, and by version 0 at the flip', async (t) => {
  const subtracting = futureSO({
    simulates: SetV2,
    over: SetV1,
    initial: (): { removed: string[] } => ({ removed: [] }),
    delegates: ['add'],
    methods: {
      async has(item) {
        return !this.state.removed.includes(item) && (await this.next.has(item))
      },
      remove(item) {
        this.state.removed.push(item)
      },
    },
  })
  const upgrade = defineUpgrade({
    title: 'subtracts',
    classUpgrades: [
      upgradeClass({
        oldClass: SetV1,
        newClass: SetV2,
        futureSO: subtracting,
        pastSO: notNeeded,
        transform: (old, future) => ({ items: old.items.filter((item) => !future.removed.includes(item)) }),
        schedule: eagerly(),
      }),
    ],
  })

  const violations = await rehearse({
    first: SetV1,
    upgrades: [upgrade],
    script: [...at([0], 'add', ['mast']), ...at([1], 'remove', ['mast']), 'flip'],
    observations: setSeen,
    mappings: [setMapping],
  })

  t.deepEqual(
    violations.map(({ criterion, at: when, call }) => `${criterion} ${when}: version ${call.version}`),
    ['K2 after step 2, remove("mast") at version 1: version 1', 'K1 the flip to version 1: version 0'],
  )
})

test('a mutable copy of the next object’s state is found as soon as it is stale', async (t) => {
  const caching = futureSO({
    simulates: SetV2,
    over: SetV1,
    initial: (): { known: Record<string, boolean> } => ({ known: {} }),
    refuses: ['remove'],
    methods: {
      async add(item) {
        await this.next.add(item)
        this.state.known[item] = true
      },
      has(item) {
        return this.state.known[item] ?? false
      },
    },
  })
  const upgrade = defineUpgrade({
    title: 'caches',
    classUpgrades: [
      upgradeClass({
        oldClass: SetV1,
        newClass: SetV2,
        futureSO: caching,
        pastSO: notNeeded,
        transform: (old) => ({ items: old.items }),
        schedule: eagerly(),
      }),
    ],
  })

  const violations = await rehearse({
    first: SetV1,
    upgrades: [upgrade],
    script: [...at([1], 'add', ['keel']), ...at([0], 'add', ['mast']), 'flip'],
    observations: setSeen,
    mappings: [setMapping],
  })

  t.true(violations.some(({ criterion, at: when }) => criterion === 'K2' && when.startsWith('after step 2')))
  t.true(violations.some(({ criterion, call }) => criterion === 'K1' && call.version === 1 && call.args[0] === 'mast'))
})

/** SetV1 → SetV2 with these SOs; what was added through the future-SO alone goes into the new object. */
function upgradeOfSets(parts: { future?: ReturnType<typeof addsAhead>; past?: ReturnType<typeof addsBehind> }) {
  return upgradeClass({
    oldClass: SetV1,
    newClass: SetV2,
    futureSO:
      parts.future ?? futureSO({ simulates: SetV2, over: SetV1, delegates: ['add', 'has'], refuses: ['remove'], methods: {} }),
    pastSO: parts.past ?? notNeeded,
    transform: (old, future) => ({ items: [...old.items, ...((future as { items?: string[] }).items ?? [])] }),
    schedule: eagerly(),
  })
}

/** A future-SO that keeps what is added to itself. */
const addsAhead = () =>
  futureSO({
    simulates: SetV2,
    over: SetV1,
    initial: (): { items: string[] } => ({ items: [] }),
    refuses: ['remove'],
    methods: {
      add(item) {
        if (!this.state.items.includes(item)) this.state.items.push(item)
      },
      async has(item) {
        return this.state.items.includes(item) || (await this.next.has(item))
      },
    },
  })

/** A past-SO that shows the set as it was at the flip, and adds to this copy as well. */
const addsBehind = () =>
  pastSO({
    simulates: SetV1,
    over: SetV2,
    initial: ({ items }) => ({ items }),
    methods: {
      async add(item) {
        await this.next.add(item)
        if (!this.state.items.includes(item)) this.state.items.push(item)
      },
      has(item) {
        return this.state.items.includes(item)
      },
    },
  })

test('a future-SO that carries out a dependent call itself is found: by the mapping at once, and by version 0 at the flip', async (t) => {
  const upgrade = defineUpgrade({ title: 'keeps', classUpgrades: [upgradeOfSets({ future: addsAhead() })] })

  const violations = await rehearse({
    first: SetV1,
    upgrades: [upgrade],
    script: [...at([1], 'add', ['mast']), 'flip'],
    observations: setSeen,
    mappings: [setMapping],
  })

  t.deepEqual(
    violations.map(({ criterion, at: when, call, found }) => `${criterion} ${when}: version ${call.version} sees ${found}`),
    ['K2 after step 1, add("mast") at version 1: version 1 sees true', 'K1 the flip to version 1: version 0 sees true'],
  )
})

test('a past-SO that keeps a mutable copy of the old state is found as soon as it is stale, by the mapping back', async (t) => {
  const upgrade = defineUpgrade({ title: 'copies', classUpgrades: [upgradeOfSets({ past: addsBehind() })] })

  const violations = await rehearse({
    first: SetV1,
    upgrades: [upgrade],
    script: [...at([0], 'add', ['keel']), 'flip', ...at([0], 'add', ['mast']), ...at([1], 'remove', ['keel'])],
    observations: setSeen,
    mappings: [setMapping, setMappingBack],
  })

  t.deepEqual(
    violations.map(({ criterion, at: when, call }) => `${criterion} ${when}: version ${call.version} has ${call.args}`),
    ['K3 after step 4, remove("keel") at version 1: version 0 has keel'],
  )
})

test('an SO that writes during a query is found, once for each query', async (t) => {
  const counting = futureSO({
    simulates: SetV2,
    over: SetV1,
    initial: () => ({ asked: 0 }),
    delegates: ['add'],
    refuses: ['remove'],
    methods: {
      has(item) {
        this.state.asked++
        return this.next.has(item)
      },
    },
  })
  const upgrade = upgradeClass({
    oldClass: SetV1,
    newClass: SetV2,
    futureSO: counting,
    pastSO: notNeeded,
    transform: (old) => ({ items: old.items }),
    schedule: eagerly(),
  })

  const violations = await rehearse({
    first: SetV1,
    upgrades: [defineUpgrade({ title: 'counts', classUpgrades: [upgrade] })],
    script: ['flip'],
    observations: setSeen,
  })

  t.deepEqual(
    violations.map(({ criterion, at: when, call }) => `${criterion} ${when}: ${call.method} ${call.args} at ${call.version}`),
    items.map((item) => `K4 before the flip to version 1: has ${item} at 1`),
  )
})

test('of several nodes and class upgrades, each is held against its own: the wrong one is named', async (t) => {
  const { title } = comments
  const upgrade = defineUpgrade({ title, classUpgrades: [...comments.classUpgrades, upgradeOfSets({ future: addsAhead() })] })

  const violations = await rehearse({
    first: { pages: PagesV1, set1: SetV1, set2: SetV1 },
    upgrades: [upgrade],
    script: [{ node: 'set2', version: 1, method: 'add', args: ['mast'] }, { flip: 'set1' }, 'flip'],
    observations: [
      ...pagesSeen.map((call) => ({ ...call, node: 'pages' })),
      ...['set1', 'set2'].flatMap((node) => setSeen.map((call) => ({ ...call, node }))),
    ],
    mappings: [toComments, fromComments, setMapping, setMappingBack],
  })

  t.deepEqual(
    violations.map(({ criterion, at: when, call }) => `${criterion} ${when}: ${call.node} at version ${call.version}`),
    [
      'K2 after step 1, set2.add("mast") at version 1: set2 at version 1',
      'K2 after the flip of set1 to version 1: set2 at version 1',
      'K2 after the flip of pages to version 1: set2 at version 1',
      'K1 the flip of set2 to version 1: set2 at version 0',
    ],
  )
})

test('a mapping over two steps finds a future-SO that is wrong on one of them only', async (t) => {
  const forgetful = futureSO({
    simulates: PagesV3,
    over: PagesV2,
    delegates: ['put', 'comment'],
    refuses: ['like', 'comments'],
    methods: {
      async get(url) {
        return (await this.next.get(url))?.toUpperCase() ?? null
      },
    },
  })
  const shouting = { ...likes, classUpgrades: likes.classUpgrades.map((each) => ({ ...each, futureSO: forgetful })) }

  const violations = await rehearse({
    first: PagesV1,
    upgrades: [comments, shouting],
    script: at([0], 'put', ['/a', 'mast']),
    observations: at([2], 'get', ['/a']),
    mappings: [chained(toComments, toLikes, ['get'])],
  })

  t.deepEqual(
    violations.map(({ criterion, at: when, expected, found }) => [criterion, when, expected, found]),
    [
      ['K2', 'after step 1, put("/a", "mast") at version 0', 'mast', 'MAST'],
      ['K1', 'the flip to version 2', 'MAST', 'mast'],
    ],
  )
})

test('a transform that forgets what was written through the future-SO is found at the flip (C7)', async (t) => {
  const forgetful = {
    ...comments,
    classUpgrades: comments.classUpgrades.map((each) => ({
      ...each,
      transform: (old: { pages: object }) => ({ pages: old.pages, comments: {} }),
    })),
  }

  const violations = await rehearse({
    first: PagesV1,
    upgrades: [forgetful],
    script: [...at([1], 'comment', ['/a', 'nice']), 'flip'],
    observations: pagesSeen,
  })

  t.deepEqual(
    violations.map(({ criterion, call, expected, found }) => [criterion, call.method, call.version, expected, found]),
    [['K1', 'comments', 1, ['nice'], []]],
  )
})
