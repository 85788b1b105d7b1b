/**
 * A shelf of books in three versions, for lazy transforms: version 2 drops how often a book was lent, which
 * its past-SO keeps, and has notes, which its future-SO keeps; version 3 shouts.
 */
import {
  command,
  defineUpgrade,
  eagerly,
  futureSO,
  NodeObject,
  notNeeded,
  pastSO,
  query,
  type Schedule,
  upgradeClass,
} from '../../index.js'

interface Lent {
  readonly title: string
  readonly loans: number
}
interface Noted {
  readonly title: string
  readonly notes: readonly string[]
}

export class ShelfV1 extends NodeObject<{ puts: number }, { books: Lent }> {
  static override readonly className: string = 'Shelf.v1'
  static override initial() {
    return { puts: 0 }
  }
  @command put(key: string, title: string): void {
    this.state.puts++
    this.collection('books').put(key, { title, loans: 0 })
  }
  @command remove(key: string): void {
    this.collection('books').delete(key)
  }
  @query title(key: string): string | null {
    return this.collection('books').get(key)?.title ?? null
  }
  @query titles(from?: string, to?: string, limit?: number): readonly string[] {
    const range = {
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(limit === undefined ? {} : { limit }),
    }
    return [...this.collection('books').entries(range)].map(([key, { title }]) => `${key} ${title}`)
  }
  @command lend(key: string): void {
    const book = this.collection('books').get(key)!
    this.collection('books').put(key, { ...book, loans: book.loans + 1 })
  }
  @query loans(key: string): number {
    return this.collection('books').get(key)?.loans ?? 0
  }
}

export class ShelfV2 extends NodeObject<{ puts: number }, { books: Noted }> {
  static override readonly className: string = 'Shelf.v2'
  static override initial() {
    return { puts: 0 }
  }
  @command put(key: string, title: string): void {
    this.state.puts++
    this.collection('books').put(key, { title, notes: this.collection('books').get(key)?.notes ?? [] })
  }
  @command remove(key: string): void {
    this.collection('books').delete(key)
  }
  @query title(key: string): string | null {
    return this.collection('books').get(key)?.title ?? null
  }
  @query titles(from?: string, to?: string, limit?: number): readonly string[] {
    const range = {
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(limit === undefined ? {} : { limit }),
    }
    return [...this.collection('books').entries(range)].map(([key, { title }]) => `${key} ${title}`)
  }
  @command note(key: string, text: string): void {
    const book = this.collection('books').get(key)
    if (book !== undefined) this.collection('books').put(key, { ...book, notes: [...book.notes, text] })
  }
  @query notes(key: string): readonly string[] {
    return this.collection('books').get(key)?.notes ?? []
  }
  /** Puts a book and takes one away in one command, and fails in the end if it is told to. */
  @command swap(away: string, key: string, title: string, fails: boolean): number {
    this.collection('books').delete(away)
    this.collection('books').put(key, { title, notes: [] })
    const seen = [...this.collection('books').entries()].length
    if (fails) throw new Error('not today')
    return seen
  }
  /** Asks for a book and does not mind if it can't be had. */
  @command shrug(key: string): string {
    this.state.puts += 100
    try {
      return this.collection('books').get(key)?.title ?? 'none'
    } catch {
      return 'never mind'
    }
  }
  @query puts(): number {
    return this.state.puts
  }
  protected override selfCheck(): void {
    if (this.state.puts === 6 && this.collection('books').get('e') === undefined) throw new Error('e is missing')
  }
  protected override checkRecord(_collection: string, key: string, { title }: Noted): void {
    if (title === 'unfit') throw new Error(`${key} is unfit`)
  }
}

export class ShelfV3 extends ShelfV2 {
  static override readonly className: string = 'Shelf.v3'
}

const ahead = futureSO({
  simulates: ShelfV2,
  over: ShelfV1,
  delegates: ['put', 'title', 'titles'],
  refuses: ['swap', 'shrug', 'puts'],
  methods: {
    async remove(key) {
      this.collection('notes').delete(key)
      await this.next.remove(key)
    },
    note(key, text) {
      this.collection('notes').put(key, [...(this.collection('notes').get(key) ?? []), text])
    },
    notes(key) {
      return this.collection('notes').get(key) ?? []
    },
  },
})

const behind = pastSO({
  simulates: ShelfV1,
  over: ShelfV2,
  delegates: ['title', 'titles'],
  records: { loans: { from: 'books', record: (book) => book?.loans } },
  methods: {
    async put(key, title) {
      await this.next.put(key, title)
      this.collection('loans').put(key, 0)
    },
    async remove(key) {
      await this.next.remove(key)
      this.collection('loans').delete(key)
    },
    lend(key) {
      this.collection('loans').put(key, (this.collection('loans').get(key) ?? 0) + 1)
    },
    loans(key) {
      return this.collection('loans').get(key) ?? 0
    },
  },
})

export interface ShelfOptions {
  /** Runs for each record that is made of an old one. */
  readonly onRecord?: (key: string) => void
  readonly schedule?: Schedule
}

export function toShelfV2({ onRecord = () => {} }: ShelfOptions = {}) {
  return defineUpgrade({
    title: 'Notes instead of loans',
    classUpgrades: [
      upgradeClass({
        oldClass: ShelfV1,
        newClass: ShelfV2,
        futureSO: ahead,
        pastSO: behind,
        transform: ({ puts }) => ({ puts }),
        records: {
          books: {
            from: 'books',
            beside: 'notes',
            record: (book, notes, key) => {
              onRecord(key)
              return book && { title: book.title, notes: notes ?? [] }
            },
          },
        },
        inverse: {
          transform: ({ puts }) => ({ puts }),
          records: {
            books: { from: 'books', beside: 'loans', record: (book, loans) => book && { title: book.title, loans: loans ?? 0 } },
          },
          futureRecords: { notes: { from: 'books', record: (book) => book?.notes } },
        },
        schedule: eagerly(),
      }),
    ],
  })
}

export function toShelfV3({ onRecord = () => {}, schedule = eagerly() }: ShelfOptions = {}) {
  const shout = (book: Noted | undefined, _beside: unknown, key: string) => {
    onRecord(key)
    return book && { ...book, title: `${book.title}!` }
  }
  const whisper = (book: Noted | undefined) => book && { ...book, title: book.title.slice(0, -1) }
  return defineUpgrade({
    title: 'Titles with an exclamation mark',
    classUpgrades: [
      upgradeClass({
        oldClass: ShelfV2,
        newClass: ShelfV3,
        futureSO: notNeeded,
        pastSO: notNeeded,
        transform: ({ puts }) => ({ puts }),
        records: { books: shout },
        inverse: { transform: ({ puts }) => ({ puts }), records: { books: whisper } },
        schedule,
      }),
    ],
  })
}
