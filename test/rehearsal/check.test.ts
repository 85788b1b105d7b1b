/** Upgrades that are wrong, each in its way, and right ones: the check finds the former, and no others. */
import test, { type ExecutionContext } from 'ava'
import {
  applicationFault,
  command,
  defineUpgrade,
  eagerly,
  futureSO,
  type NodeClass,
  NodeObject,
  none,
  notNeeded,
  pastSO,
  query,
  upgradeClass,
} from 'theseus-actors'
import { check, type FindingKind } from '../../rehearsal/criteria.js'

class SetV1 extends NodeObject<{ items: string[] }> {
  static override readonly className = 'Set.v1'
  static override initial() {
    return { items: [] as string[] }
  }
  @command add(item: string): void {
    if (!this.state.items.includes(item)) this.state.items.push(item)
  }
  @command remove(item: string): boolean {
    const had = this.state.items.includes(item)
    this.state.items = this.state.items.filter((each) => each !== item)
    return had
  }
  @query has(item: string): boolean {
    return this.state.items.includes(item)
  }
}

/** Items have notes. */
class SetV2 extends NodeObject<{ items: string[]; notes: Record<string, string> }> {
  static override readonly className = 'Set.v2'
  static override initial() {
    return { items: [] as string[], notes: {} }
  }
  @command add(item: string): void {
    if (!this.state.items.includes(item)) this.state.items.push(item)
  }
  @command remove(item: string): boolean {
    const had = this.state.items.includes(item)
    this.state.items = this.state.items.filter((each) => each !== item)
    return had
  }
  @query has(item: string): boolean {
    return this.state.items.includes(item)
  }
  @command note(item: string, text: string): void {
    this.state.notes[item] = text
  }
  @query notes(item: string): string | null {
    return this.state.notes[item] ?? null
  }
}

type Notes = { notes: Record<string, string> }

const ahead = () =>
  futureSO({
    simulates: SetV2,
    over: SetV1,
    initial: (): Notes => ({ notes: {} }),
    delegates: ['add', 'remove', 'has'],
    methods: {
      note(item, text) {
        this.state.notes[item] = text
      },
      notes(item) {
        return this.state.notes[item] ?? null
      },
    },
  })

/** The right upgrade, with parts that are wrong. */
function sets(parts: Record<string, unknown> = {}) {
  const whole = {
    oldClass: SetV1,
    newClass: SetV2,
    futureSO: ahead(),
    pastSO: notNeeded,
    transform: (old: { items: string[] }, future: Notes) => ({ items: old.items, notes: future.notes }),
    schedule: eagerly(),
  }
  return defineUpgrade({ title: 'Items have notes', classUpgrades: [upgradeClass({ ...whole, ...parts } as never)] })
}

const asAny = (so: (parts: never) => unknown) => so as unknown as (parts: Record<string, unknown>) => never
const [future, past] = [asAny(futureSO), asAny(pastSO)]
const overV1 = { simulates: SetV2, over: SetV1, initial: () => ({ notes: {} }) }
const noting = {
  note(this: { state: Notes }, item: string, text: string) {
    this.state.notes[item] = text
  },
  notes(this: { state: Notes }, item: string) {
    return this.state.notes[item] ?? null
  },
}

const few = { histories: 60, findingsMax: 4 }

async function finds(t: ExecutionContext, upgrade: Parameters<typeof check>[0], kind: FindingKind, part: string, options = {}) {
  const report = await check(upgrade, { ...few, ...options })
  t.false(report.holds)
  const found = report.findings.map((finding) => `${finding.kind}: ${finding.blame.part} ${finding.blame.method ?? ''}`.trim())
  t.true(found.includes(`${kind}: ${part}`), `found ${found.join(', ')}\n${report.text}`)
}

test.serial('a right upgrade contradicts nothing', async (t) => {
  const report = await check(sets(), few)
  t.true(report.holds, report.text)
  t.is(report.histories, few.histories)
  t.true(report.tried.every(({ calls }) => calls > 0))
})

test.serial('a removal that says it is done, and does nothing, is a faked success', async (t) => {
  const so = future({ ...overV1, delegates: ['add', 'has'], methods: { ...noting, remove: () => true } })
  await finds(t, sets({ futureSO: so }), 'faked success', 'futureSO remove')
})

test.serial('a past-SO that takes a call and does nothing is found as well', async (t) => {
  const so = past({ simulates: SetV1, over: SetV2, delegates: ['remove', 'has'], methods: { add() {} } })
  await finds(t, sets({ pastSO: so }), 'faked success', 'pastSO add')
})

test.serial('a simulation object that throws where the object answers is found, with the name of the error', async (t) => {
  const throws = () => {
    throw new TypeError('not now')
  }
  const so = future({ ...overV1, methods: { add: throws, remove: throws, has: throws, note: throws, notes: throws } })
  const report = await check(sets({ futureSO: so }), few)
  t.deepEqual([...new Set(report.findings.map(({ kind }) => kind))], ['throws'])
  t.true(report.text.includes('TypeError: not now'), report.text)
})

test.serial('a transform that leaves out what the future-SO has kept forgets it', async (t) => {
  const transform = (old: { items: string[] }) => ({ items: old.items, notes: {} })
  await finds(t, sets({ transform }), 'forgotten state', 'transform')
})

test.serial('a transform that leaves out a field of the old object forgets it', async (t) => {
  const transform = (_old: unknown, { notes }: Notes) => ({ items: [], notes })
  await finds(t, sets({ transform }), 'forgotten state', 'transform')
})

test.serial('a transform that asks for the time is found, though all its runs are in one millisecond', async (t) => {
  const transform = (old: { items: string[] }, { notes }: Notes) => ({
    items: old.items,
    notes: { ...notes, a: `${Date.now()}` },
  })
  await finds(t, sets({ transform }), 'TF that depends on time or chance', 'transform')
})

test.serial('a transform that draws lots is found', async (t) => {
  const transform = (old: { items: string[] }, { notes }: Notes) => ({
    items: old.items.filter(() => Math.random() < 0.5),
    notes,
  })
  await finds(t, sets({ transform }), 'TF that depends on time or chance', 'transform')
})

test.serial('a transform that throws for some state is found, with the state that it throws for', async (t) => {
  const transform = (old: { items: string[] }, { notes }: Notes) => {
    if (old.items.length > 1) throw new RangeError('too many')
    return { items: old.items, notes }
  }
  const report = await check(sets({ transform }), few)
  t.is(report.findings[0]?.kind, 'throws')
  t.is(report.findings[0]!.transcript.length, 3, report.text)
})

test.serial('a query that writes is found', async (t) => {
  const so = future({
    ...overV1,
    delegates: ['add', 'remove', 'has'],
    methods: {
      ...noting,
      notes(this: { state: Notes }, item: string) {
        this.state.notes[item] ??= 'seen'
        return this.state.notes[item]
      },
    },
  })
  await finds(t, sets({ futureSO: so }), 'query that writes', 'futureSO notes')
})

test.serial('a copy of the object’s state in the future-SO is found as soon as it is stale', async (t) => {
  const so = future({
    ...overV1,
    initial: () => ({ notes: {}, known: {} }),
    delegates: ['remove'],
    methods: {
      ...noting,
      async add(this: { state: { known: Record<string, boolean> }; next: SetV2 }, item: string) {
        await this.next.add(item)
        this.state.known[item] = true
      },
      async has(this: { state: { known: Record<string, boolean> }; next: SetV2 }, item: string) {
        return this.state.known[item] ?? (await this.next.has(item))
      },
    },
  })
  await finds(t, sets({ futureSO: so }), 'copied state', 'futureSO has')
})

test.serial('a past-SO that keeps the old state, and does not hear of changes, is found', async (t) => {
  const so = past({
    simulates: SetV1,
    over: SetV2,
    initial: ({ items }: { items: string[] }) => ({ items }),
    delegates: ['add', 'remove'],
    methods: {
      has(this: { state: { items: string[] } }, item: string) {
        return this.state.items.includes(item)
      },
    },
  })
  await finds(t, sets({ pastSO: so }), 'copied state', 'pastSO has')
})

test.serial('a past-SO that begins without what the old object had forgets it', async (t) => {
  const so = past({
    simulates: SetV1,
    over: SetV2,
    initial: () => ({ items: [] }),
    methods: {
      add(this: { state: { items: string[] } }, item: string) {
        this.state.items.push(item)
      },
      remove(this: { state: { items: string[] } }, item: string) {
        return this.state.items.includes(item)
      },
      has(this: { state: { items: string[] } }, item: string) {
        return this.state.items.includes(item)
      },
    },
  })
  await finds(t, sets({ pastSO: so }), 'forgotten state', 'pastSO has')
})

test.serial('a fault that only one version has is found, and one that both have is none', async (t) => {
  class Strict extends SetV2 {
    static override readonly className = 'Set.v2' as never
    @command override remove(item: string): boolean {
      if (!this.state.items.includes(item)) throw applicationFault('absent', `${item} is not there`)
      return super.remove(item)
    }
  }
  const overOld = future({ ...overV1, simulates: Strict, delegates: ['add', 'remove', 'has'], methods: noting })
  await finds(t, sets({ newClass: Strict, futureSO: overOld }), 'fault that only one version knows', 'futureSO remove')
  const meant = sets({ newClass: Strict, futureSO: overOld, changes: { remove: 'fails for what is not there' } })
  const report = await check(meant, few)
  t.true(report.holds, report.text)
  t.like(report.meant, [{ method: 'remove', isSeen: true, reason: 'fails for what is not there' }])
})

test.serial('a change that is meant is bound to leave all else alone', async (t) => {
  class Wild extends SetV2 {
    static override readonly className = 'Set.v2' as never
    @command override remove(item: string): boolean {
      super.remove(item)
      this.state.notes = {}
      return true
    }
  }
  const so = future({ ...overV1, simulates: Wild, delegates: ['add', 'remove', 'has'], methods: noting })
  t.deepEqual(
    [
      ...new Set(
        (await check(sets({ newClass: Wild, futureSO: so, changes: { remove: 'always true' } }), few)).findings.map(
          ({ call }) => call.method,
        ),
      ),
    ],
    ['notes'],
  )
})

test.serial('an answer that differs is found with the values on both sides and the shortest history', async (t) => {
  const so = future({
    ...overV1,
    delegates: ['add', 'has'],
    methods: {
      ...noting,
      async remove(this: { next: SetV2 }, item: string) {
        return !(await this.next.remove(item))
      },
    },
  })
  const { findings } = await check(sets({ futureSO: so }), few)
  const found = findings.find(({ kind }) => kind === 'inconsistent answer')
  t.truthy(found)
  t.deepEqual(found!.transcript, [
    'either remove("a") at version 1, then it upgrades to version 1: true',
    'or     it upgrades to version 1, then remove("a") at version 1: false',
  ])
})

test.serial('where there is no simulation object nothing is compared across the cut', async (t) => {
  const report = await check(
    sets({ futureSO: none, pastSO: none, transform: (old: { items: string[] }) => ({ items: old.items, notes: {} }) }),
    few,
  )
  t.true(report.holds, report.text)
})

test.serial('the same seed finds the same', async (t) => {
  const transform = (old: { items: string[] }) => ({ items: old.items, notes: {} })
  const [one, other] = await Promise.all([1, 1].map((seed) => check(sets({ transform }), { ...few, seed })))
  t.deepEqual(
    one!.findings.map(({ transcript }) => transcript),
    other!.findings.map(({ transcript }) => transcript),
  )
})

test.serial('a class whose time and chance are its own is not taken for a mistake, and it is said', async (t) => {
  class Lottery extends SetV1 {
    static override readonly className = 'Lot.v1' as never
    static override readonly service = 'lot'
    @query draw(): number {
      return Math.random()
    }
  }
  class Lottery2 extends Lottery {
    static override readonly className = 'Lot.v2' as never
  }
  const upgrade = defineUpgrade({
    title: 'nothing',
    classUpgrades: [
      upgradeClass({
        ...{
          oldClass: Lottery as NodeClass,
          newClass: Lottery2 as NodeClass,
          futureSO: notNeeded as never,
          pastSO: notNeeded as never,
        },
        ...{ transform: (old: object) => old as never, schedule: eagerly() },
      }),
    ],
  })
  const report = await check(upgrade, few)
  t.true(report.holds, report.text)
  t.true(report.notCompared.some((name) => name.endsWith('.draw')))
})

/** The hints for an upgrade without a mistake. */
async function codesOf(t: ExecutionContext, upgrade: Parameters<typeof check>[0]): Promise<readonly string[]> {
  const report = await check(upgrade, { ...few, histories: 200 })
  t.true(report.holds, report.text)
  return report.hints.map(({ blame, code }) => `${blame.part} ${code}`).sort()
}

test.serial(
  'a simulation object that refuses everything gets a hint for each call that the object could carry out',
  async (t) => {
    const so = future({ ...overV1, refuses: ['add', 'remove', 'has', 'note', 'notes'], methods: {} })
    const transform = (old: { items: string[] }) => ({ items: old.items, notes: {} })
    const found = await codesOf(t, sets({ futureSO: so, transform }))
    t.deepEqual(found, ["futureSO delegates: ['add']", "futureSO delegates: ['has']", "futureSO delegates: ['remove']"])
  },
)

test.serial('a hint passes arguments on in another order, with constants, or makes two calls', async (t) => {
  class Shelf1 extends NodeObject<{ books: Record<string, string> }> {
    static override readonly className = 'Shelf.v1'
    static override initial() {
      return { books: {} as Record<string, string> }
    }
    @command put(title: string, place: string): void {
      this.state.books[title] = place
    }
    @command drop(title: string): void {
      delete this.state.books[title]
    }
    @query place(title: string): string | null {
      return this.state.books[title] ?? null
    }
  }
  class Shelf2 extends NodeObject<{ books: Record<string, string> }> {
    static override readonly className = 'Shelf.v2'
    static override initial() {
      return { books: {} as Record<string, string> }
    }
    @command move(place: string, title: string): string {
      this.state.books[title] = place
      return place
    }
    @command swap(out: string, title: string, place: string): void {
      delete this.state.books[out]
      this.state.books[title] = place
    }
    @command wipe(): void {
      this.state.books = {}
    }
    @query where(title: string): string | null {
      return this.state.books[title] ?? null
    }
  }
  const so = future({ simulates: Shelf2, over: Shelf1, refuses: ['move', 'swap', 'wipe', 'where'], methods: {} })
  const back = past({
    simulates: Shelf1,
    over: Shelf2,
    refuses: ['drop'],
    methods: {
      async put(this: { next: Shelf2 }, title: string, place: string) {
        await this.next.move(place, title)
      },
      async place(this: { next: Shelf2 }, title: string) {
        return await this.next.where(title)
      },
    },
  })
  const upgrade = defineUpgrade({
    title: 'Books are moved',
    classUpgrades: [
      upgradeClass({
        ...{ oldClass: Shelf1, newClass: Shelf2, futureSO: so, pastSO: back },
        ...{ transform: ({ books }) => ({ books }), schedule: eagerly() },
      }),
    ],
  })
  t.deepEqual(await codesOf(t, upgrade), [
    'futureSO async move(place, title) {\n  await this.next.put(title, place)\n  return await this.next.place(title)\n}',
    'futureSO async swap(out, title, place) {\n  await this.next.drop(out)\n  await this.next.put(title, place)\n}',
    'futureSO async where(title) {\n  return await this.next.place(title)\n}',
  ])
})

test.serial('a refusal that has to be, and one from case to case, get no hint', async (t) => {
  const { default: cache } = await import('../../samples/03-archive-cache/upgrades/1-cache.js')
  t.deepEqual(await codesOf(t, cache), [])
})

const inverse = {
  transform: ({ items }: { items: string[] }) => ({ items }),
  future: ({ notes }: Notes) => ({ notes }),
}

test.serial('a way back that keeps all is found right, wherever the call is made', async (t) => {
  const report = await check(sets({ inverse }), { histories: 160 })
  t.true(report.holds, report.text)
})

test.serial('an inverse that forgets what was written between the flip and the undo is found', async (t) => {
  const forgetting = { ...inverse, transform: () => ({ items: [] }) }
  await finds(t, sets({ inverse: forgetting }), 'forgotten state', 'inverse', { histories: 160 })
})

test.serial('an inverse without what only the new version knows is found', async (t) => {
  const forgetting = { ...inverse, future: () => ({ notes: {} }) }
  await finds(t, sets({ inverse: forgetting }), 'forgotten state', 'inverse', { histories: 160 })
})
