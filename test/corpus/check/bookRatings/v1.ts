import { command, futureSO, NodeObject, notNeeded, query } from 'theseus-actors'

export class BooksV1 extends NodeObject<object, { books: string }> {
  static override readonly className = 'Library.v1'

  @command put(isbn: string, title: string): void {
    this.collection('books').put(isbn, title)
  }
  @query title(isbn: string): string | null {
    return this.collection('books').get(isbn) ?? null
  }
}

export class BooksV2 extends NodeObject<object, { books: { title: string | null; stars: number } }> {
  static override readonly className = 'Library.v2'

  @command put(isbn: string, title: string): void {
    this.collection('books').put(isbn, { title, stars: this.stars(isbn) })
  }
  @command rate(isbn: string, stars: number): void {
    this.collection('books').put(isbn, { title: this.title(isbn), stars })
  }
  @query title(isbn: string): string | null {
    return this.collection('books').get(isbn)?.title ?? null
  }
  @query stars(isbn: string): number {
    return this.collection('books').get(isbn)?.stars ?? 0
  }
}

/** Keeps ratings beside the books, until they belong to them. */
export const parts = {
  oldClass: BooksV1,
  newClass: BooksV2,
  futureSO: futureSO({
    simulates: BooksV2,
    over: BooksV1,
    delegates: ['put', 'title'],
    methods: {
      rate(isbn, stars) {
        this.collection('books').put(isbn, stars)
      },
      stars(isbn) {
        return this.collection('books').get(isbn) ?? 0
      },
    },
  }),
  pastSO: notNeeded,
  transform: () => ({}),
} as const
