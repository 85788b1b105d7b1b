/**
 * Type tests: each wrong upgrade here is a compile error at the line below the mark, and the build fails if
 * it is not. Nothing of this file runs.
 */
import {
  asItIs,
  command,
  createHost,
  defineUpgrade,
  eagerly,
  futureSO,
  NodeObject,
  none,
  notNeeded,
  pastSO,
  query,
  type Remote,
  upgradeClass,
} from 'theseus-actors'

class PagesV1 extends NodeObject<{ pages: Record<string, string> }> {
  static override readonly className = 'Pages.v1'
  static override initial() {
    return { pages: {} }
  }
  @command put(url: string, html: string): void {
    this.state.pages[url] = html
  }
  @query get(url: string): string | null {
    // @ts-expect-error the state has no such field
    this.state.page
    return this.state.pages[url] ?? null
  }
}

class PagesV2 extends NodeObject<{ pages: Record<string, string>; comments: Record<string, string[]> }> {
  static override readonly className = 'Pages.v2'
  static override initial() {
    return { pages: {}, comments: {} }
  }
  @command put(url: string, html: string): void {
    this.state.pages[url] = html
  }
  @query get(url: string): string | null {
    return this.state.pages[url] ?? null
  }
  @command comment(url: string, text: string): void {
    ;(this.state.comments[url] ??= []).push(text)
  }
  @query comments(url: string): string[] {
    return this.state.comments[url] ?? []
  }
  @command remove(url: string, why: string): void {
    delete this.state.pages[url]
  }
}

/** The same methods as version 2, but `remove` without a reason and `comments` with another result. */
class PagesV3 extends NodeObject<{ pages: Record<string, string>; comments: Record<string, { text: string }[]> }> {
  static override readonly className = 'Pages.v3'
  @command put(url: string, html: string): void {}
  @query get(url: string): string | null {
    return null
  }
  @command comment(url: string, text: string): void {}
  @query comments(url: string): { text: string }[] {
    return []
  }
  @command remove(url: string): void {}
}

declare const pages: Remote<PagesV2>
export const asynchronous: Promise<string[]> = pages.comments('/a')
// @ts-expect-error a reference has remote methods only
pages.state

export const commentsAhead = futureSO({
  simulates: PagesV2,
  over: PagesV1,
  initial: (): { comments: Record<string, string[]> } => ({ comments: {} }),
  delegates: ['put', 'get'],
  refuses: ['remove'],
  methods: {
    comment(url, text) {
      ;(this.state.comments[url] ??= []).push(text)
    },
    async comments(url) {
      return (await this.next.get(url)) === null ? [] : (this.state.comments[url] ?? [])
    },
  },
})

futureSO({
  simulates: PagesV2,
  over: PagesV1,
  initial: () => ({ remarks: 0 }),
  initialFrom: { so: commentsAhead, state: (kept) => ({ remarks: Object.keys(kept.comments).length }) },
  delegates: ['put', 'get'],
  refuses: ['remove', 'comments'],
  methods: { comment(url, text) {} },
})

futureSO({
  simulates: PagesV2,
  over: PagesV1,
  initial: () => ({ remarks: 0 }),
  // @ts-expect-error the SO that was undone has kept no such field
  initialFrom: { so: commentsAhead, state: (kept) => ({ remarks: kept.remarks }) },
  delegates: ['put', 'get'],
  refuses: ['remove', 'comments'],
  methods: { comment(url, text) {} },
})

futureSO({
  simulates: PagesV2,
  over: PagesV1,
  // @ts-expect-error a delegate that the next class does not have
  delegates: ['put', 'get', 'comment'],
  refuses: ['remove'],
  methods: {
    comment(url, text) {},
    async comments(url) {
      return []
    },
  },
})

futureSO({
  simulates: PagesV3,
  over: PagesV2,
  // @ts-expect-error a delegate with another parameter tuple: remove(url, why) is not remove(url)
  delegates: ['put', 'get', 'comment', 'remove'],
  methods: {
    remove(url) {},
    async comments(url) {
      return (await this.next.comments(url)).map((text) => ({ text }))
    },
  },
})

futureSO({
  simulates: PagesV3,
  over: PagesV2,
  // @ts-expect-error a delegate with another result
  delegates: ['put', 'get', 'comment', 'comments'],
  refuses: ['remove'],
  methods: {
    comments(url) {
      return []
    },
  },
})

futureSO({
  simulates: PagesV2,
  over: PagesV1,
  delegates: ['put', 'get'],
  refuses: ['remove'],
  // @ts-expect-error a method that is neither delegated, refused nor implemented
  methods: {
    async comments(url) {
      return []
    },
  },
})

futureSO({
  simulates: PagesV2,
  over: PagesV1,
  delegates: ['put', 'get'],
  // @ts-expect-error a method that is delegated and refused
  refuses: ['remove', 'get'],
  methods: {
    comment(url, text) {},
    async comments(url) {
      return []
    },
  },
})

futureSO({
  simulates: PagesV2,
  over: PagesV1,
  delegates: ['put', 'get'],
  refuses: ['remove'],
  methods: {
    comment(url, text) {},
    async comments(url) {
      return []
    },
    // @ts-expect-error a method that is delegated and implemented
    get(url: string) {
      return null
    },
  },
})

futureSO({
  simulates: PagesV2,
  over: PagesV1,
  delegates: ['put', 'get'],
  refuses: ['remove'],
  methods: {
    comment(url, text) {},
    comments(url) {
      // @ts-expect-error a synchronous use of `next`
      const html: string | null = this.next.get(url)
      return [html ?? '']
    },
  },
})

const withoutLikes = pastSO({
  simulates: PagesV1,
  over: PagesV2,
  initial: (old) => ({ count: Object.keys(old.pages).length }),
  delegates: ['put', 'get'],
  methods: {},
})

export const good = upgradeClass({
  oldClass: PagesV1,
  newClass: PagesV2,
  futureSO: commentsAhead,
  pastSO: notNeeded,
  transform: (old, future) => ({ pages: old.pages, comments: future.comments }),
  schedule: eagerly(),
})

export const rewindable = upgradeClass({
  ...{ oldClass: PagesV1, newClass: PagesV2, futureSO: commentsAhead, pastSO: notNeeded, schedule: eagerly() },
  transform: (old, future) => ({ pages: old.pages, comments: future.comments }),
  rewind: { for: '24h', operations: 1_000_000, bytes: 2 ** 28, queries: false },
})

upgradeClass({
  ...{ oldClass: PagesV1, newClass: PagesV2, futureSO: commentsAhead, pastSO: notNeeded, schedule: eagerly() },
  transform: (old, future) => ({ pages: old.pages, comments: future.comments }),
  // @ts-expect-error a rewind that does not say for how long
  rewind: { operations: 1_000 },
})

upgradeClass({
  ...{ oldClass: PagesV1, newClass: PagesV2, futureSO: commentsAhead, pastSO: notNeeded, schedule: eagerly() },
  transform: (old, future) => ({ pages: old.pages, comments: future.comments }),
  // @ts-expect-error a duration of no unit that there is
  rewind: { for: '1 day' },
})

upgradeClass({
  ...{ oldClass: PagesV1, newClass: PagesV2, futureSO: commentsAhead, pastSO: notNeeded, schedule: eagerly() },
  transform: (old, future) => ({ pages: old.pages, comments: future.comments }),
  // @ts-expect-error a field that there is not
  rewind: { for: '24h', query: false },
})

export const thereAndBack = upgradeClass({
  oldClass: PagesV1,
  newClass: PagesV2,
  futureSO: commentsAhead,
  pastSO: notNeeded,
  transform: (old, future) => ({ pages: old.pages, comments: future.comments }),
  inverse: { transform: (now) => ({ pages: now.pages }), future: (now) => ({ comments: now.comments }) },
  schedule: eagerly(),
})

upgradeClass({
  oldClass: PagesV1,
  newClass: PagesV2,
  futureSO: commentsAhead,
  pastSO: notNeeded,
  transform: (old, future) => ({ pages: old.pages, comments: future.comments }),
  // @ts-expect-error an inverse that misses a field of the old state
  inverse: { transform: () => ({}), future: (now) => ({ comments: now.comments }) },
  schedule: eagerly(),
})

upgradeClass({
  oldClass: PagesV1,
  newClass: PagesV2,
  futureSO: commentsAhead,
  pastSO: notNeeded,
  transform: (old, future) => ({ pages: old.pages, comments: future.comments }),
  // @ts-expect-error an inverse that gives the future-SO another state than it has
  inverse: { transform: (now) => ({ pages: now.pages }), future: (now) => ({ remarks: now.comments }) },
  schedule: eagerly(),
})

upgradeClass({
  oldClass: PagesV1,
  newClass: PagesV2,
  futureSO: commentsAhead,
  pastSO: withoutLikes,
  // @ts-expect-error a transform that misses a field
  transform: (old) => ({ pages: old.pages }),
  schedule: eagerly(),
})

upgradeClass({
  oldClass: PagesV1,
  newClass: PagesV2,
  futureSO: commentsAhead,
  pastSO: notNeeded,
  // @ts-expect-error a transform that invents a field
  transform: (old, future) => ({ pages: old.pages, comments: future.comments, hits: 1 }),
  schedule: eagerly(),
})

upgradeClass({
  oldClass: PagesV1,
  newClass: PagesV2,
  // @ts-expect-error version 1 can't answer version 2's calls as it is: an SO is needed, or `none`
  futureSO: notNeeded,
  pastSO: none,
  transform: (old) => ({ pages: old.pages, comments: {} }),
  schedule: eagerly(),
})

upgradeClass({
  oldClass: PagesV1,
  newClass: PagesV2,
  futureSO: commentsAhead,
  pastSO: notNeeded,
  only: { nodes: ['p1'] },
  transform: (old) => ({ pages: old.pages, comments: {} }),
  schedule: eagerly(),
})

upgradeClass({
  // @ts-expect-error the SO stands over another class
  oldClass: PagesV2,
  // @ts-expect-error the SO simulates another class
  newClass: PagesV3,
  futureSO: commentsAhead,
  pastSO: none,
  transform: (old) => ({ pages: old.pages, comments: {} }),
  schedule: eagerly(),
})

export default defineUpgrade({ title: 'Readers can comment on a page', classUpgrades: [good] })

class LedgerV1 extends NodeObject<{ last: number }, { entries: { count: number }; notes: string }> {
  static override readonly className: string = 'Ledger.v1'
}

class LedgerV2 extends NodeObject<{ last: number }, { entries: { count: number; unit: string }; notes: string }> {
  static override readonly className: string = 'Ledger.v2'
}

upgradeClass({
  oldClass: LedgerV1,
  newClass: LedgerV2,
  futureSO: notNeeded,
  pastSO: notNeeded,
  transform: async ({ last }, _future, collections) => {
    await collections.carry('notes')
    // @ts-expect-error records of another type can't be carried as they are
    await collections.carry('entries')
    // @ts-expect-error a collection that neither class has
    await collections.carry('remarks')
    return { last }
  },
  inverse: {
    transform: async ({ last }, _past, collections) => {
      // A record with more than the old class knows of is one of the old class.
      await collections.carry('entries')
      await collections.carry('notes')
      // @ts-expect-error a collection that neither class has
      await collections.carry('remarks')
      return { last }
    },
  },
  schedule: eagerly(),
})

upgradeClass({
  oldClass: LedgerV1,
  newClass: LedgerV2,
  futureSO: notNeeded,
  pastSO: notNeeded,
  transform: ({ last }) => ({ last }),
  records: {
    entries: (entry) => entry && { count: entry.count, unit: 'piece' },
    notes: asItIs,
    // @ts-expect-error a collection that the new class does not have
    remarks: asItIs,
  },
  inverse: {
    transform: ({ last }) => ({ last }),
    records: { entries: { from: 'entries', beside: 'counts', record: (entry) => entry && { count: entry.count } } },
  },
  schedule: eagerly(),
})

upgradeClass({
  oldClass: LedgerV1,
  newClass: LedgerV2,
  futureSO: notNeeded,
  pastSO: notNeeded,
  transform: ({ last }) => ({ last }),
  records: {
    // @ts-expect-error records of the old class are none of the new one's
    entries: asItIs,
  },
  schedule: eagerly(),
})

upgradeClass({
  oldClass: LedgerV1,
  newClass: LedgerV2,
  futureSO: notNeeded,
  pastSO: notNeeded,
  transform: ({ last }) => ({ last }),
  records: {
    // @ts-expect-error a collection that the old class does not have
    notes: { from: 'remarks', record: (note: string | undefined) => note },
  },
  schedule: eagerly(),
})

class Reserved extends NodeObject {
  static override readonly className = 'Reserved.v1'
  // @ts-expect-error a text of the reference would be a promise
  @query override toString(): never {
    throw new Error()
  }
  // @ts-expect-error JSON.stringify() would call it
  @command toJSON(): string {
    return ''
  }
  // @ts-expect-error the runtime calls it
  @command override start(): void {}
  @query catch(): void {}
}

// Classes of another system

export class Desk extends NodeObject<object> {
  static override readonly className = 'Desk.v1'
  static override readonly calls = [PagesV1.of('library'), PagesV2]

  async read(): Promise<string | null> {
    const there = this.ref(PagesV1.of('library'), 'p1')
    // @ts-expect-error PagesV1 has no comments, there either
    await there.comments('/a')
    // @ts-expect-error the arguments are those of the class
    await there.get(1)
    // @ts-expect-error a system has a name
    PagesV1.of()
    // @ts-expect-error it is a class of another system, and no class
    const wrong: typeof PagesV1 = PagesV1.of('library')
    this.sender(PagesV1.of('library')).put('/a', 'x')
    // @ts-expect-error a send has no answer
    const sent: string = this.sender(PagesV1.of('library')).get('/a')
    void [wrong, sent]
    return await there.get('/a')
  }
}
async function groups(): Promise<void> {
  const host = await createHost({ system: 'shop' })
  const group = await host.group('g', { pages: PagesV1, ledger: LedgerV1 })
  void [group.members.pages.version, group.members.ledger.chain]
  // @ts-expect-error the group has no such member
  void group.members.till
  // @ts-expect-error a member ends with its group
  await group.members.pages.stop()
  // @ts-expect-error a member is a class
  await host.group('h', { pages: 'Pages.v1' })
}
void groups
