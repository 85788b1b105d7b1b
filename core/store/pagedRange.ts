/**
 * A range is read in pages, each at one moment: an iteration that does not wait sees one state of the store,
 * and one that is left lying about holds nothing open and can't outlive the store.
 */
const pageEntriesMax = 256
/** A page ends after the entry that reaches so many bytes. */
export const pageBytesMax = 1024 * 1024

export type Entry = readonly [key: string, value: Uint8Array]

/**
 * `read` gives the next entries at or after `start`, at most `limit` of them; none when there are no more.
 */
export function* pagedRange(
  read: (start: string, limit: number) => readonly Entry[],
  from: string,
  limit = Number.POSITIVE_INFINITY,
): Generator<Entry> {
  let start = from
  for (let left = limit; left > 0; ) {
    const page = read(start, Math.min(left, pageEntriesMax))
    yield* page
    if (page.length === 0) return
    left -= page.length
    start = keyAfter(page[page.length - 1]![0])
  }
}

/** The least key above `key`, in the order of UTF-8 bytes. */
function keyAfter(key: string): string {
  return `${key}\u0000`
}

/** The first entries, at most `limit`, up to the one that reaches the bytes of a page. */
export function takePage(entries: Iterable<Entry>, limit: number): Entry[] {
  const page: Entry[] = []
  let bytes = 0
  if (limit <= 0) return page
  for (const entry of entries) {
    page.push(entry)
    bytes += entry[1].length
    if (page.length >= limit || bytes >= pageBytesMax) break
  }
  return page
}
