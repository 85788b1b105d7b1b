/** The correctness criteria (§7), tried on the samples' upgrades with random interleaved calls of all versions; and found broken where they are. */
import test from 'ava'
import fc from 'fast-check'
import { command, defineUpgrade, eagerly, futureSO, NodeObject, notNeeded, query, upgradeClass } from 'theseus'
import { type Mapping, rehearse, type ScriptedCall, type Step } from '../../rehearsal/criteria.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import comments from '../../samples/02-pages-comments/upgrades/1-comments.js'
import likes from '../../samples/02-pages-comments/upgrades/2-likes.js'
import { Archive } from '../../samples/03-archive-cache/archive.js'
import archiveToCache from '../../samples/03-archive-cache/upgrades/1-cache.js'

const urls = ['/a', '/b']
const at = (versions: readonly number[], method: string, args: readonly unknown[]): ScriptedCall[] =>
  versions.map((version) => ({ version, method, args }))

/** What versions 0, 1 and 2 of the pages can see. */
const pagesSeen = urls.flatMap((url) => [...at([0, 1, 2], 'get', [url]), ...at([1, 2], 'comments', [url])])

const url = fc.constantFrom(...urls)
const text = fc.string({ maxLength: 4 })
const pagesCall = fc.oneof(
  fc.record({ version: fc.constantFrom(0, 1, 2), method: fc.constant('put'), args: fc.tuple(url, text) }),
  fc.record({ version: fc.constantFrom(1, 2), method: fc.constant('comment'), args: fc.tuple(url, text) }),
  fc.record({ version: fc.constant(2), method: fc.constant('like'), args: fc.tuple(url, fc.nat(2)) }),
)
const script = (call: fc.Arbitrary<ScriptedCall>) =>
  fc.array(fc.oneof({ arbitrary: call, weight: 6 }, { arbitrary: fc.constant('flip' as const), weight: 1 }), { maxLength: 20 })

const pagesMappings: readonly Mapping[] = [
  { from: 0, map: (old) => ({ pages: old.pages, comments: {} }), dependent: ['get'] },
  {
    from: 1,
    map: (old) => ({
      pages: old.pages,
      comments: Object.fromEntries(
        Object.entries(old.comments as Record<string, string[]>).map(([page, texts]) => [
          page,
          texts.map((each) => ({ text: each, likes: 0 })),
        ]),
      ),
    }),
    dependent: ['get'],
  },
]

test('pages, comments and likes: random calls of three versions across two flips contradict nothing', async (t) => {
  await fc.assert(
    fc.asyncProperty(script(pagesCall), async (steps) => {
      const violations = await rehearse({
        first: PagesV1,
        upgrades: [comments, likes],
        script: steps as Step[],
        observations: pagesSeen,
        mappings: pagesMappings,
      })
      t.deepEqual(violations, [])
    }),
    { numRuns: 25 },
  )
})

const items = ['mast', 'keel']
const itemCall = fc.oneof(
  fc.record({ version: fc.constantFrom(0, 1), method: fc.constant('add'), args: fc.tuple(fc.constantFrom(...items)) }),
  fc.record({ version: fc.constant(1), method: fc.constant('remove'), args: fc.tuple(fc.constantFrom(...items)) }),
)
const itemsSeen = items.flatMap((item) => at([0, 1], 'has', [item]))

test('archive and cache: random calls of both versions across the flip contradict nothing', async (t) => {
  await fc.assert(
    fc.asyncProperty(script(itemCall), async (steps) => {
      t.deepEqual(
        await rehearse({ first: Archive, upgrades: [archiveToCache], script: steps as Step[], observations: itemsSeen }),
        [],
      )
    }),
    { numRuns: 25 },
  )
})

// The paper's own counter-example (§7.1): removals kept in the SO's rep and "subtracted" when calls observe the set.
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
const setMapping: Mapping = { from: 0, map: (old) => ({ items: old.items }), dependent: ['has'] }

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
    observations: pagesSeen.filter(({ version }) => version < 2),
  })

  t.deepEqual(
    violations.map(({ criterion, call, expected, found }) => [criterion, call.method, call.version, expected, found]),
    [['K1', 'comments', 1, ['nice'], []]],
  )
})
