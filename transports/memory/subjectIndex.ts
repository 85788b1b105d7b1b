/**
 * Finds what is filed under a subject, or under a pattern that matches it: `*` stands for one token, `>` for
 * the rest. Subjects are looked up in one map, so ten thousand of them cost the same as one. Patterns are
 * filed under their tokens before the first wildcard.
 */
interface Pattern<T> {
  readonly rest: readonly string[]
  readonly item: T
}

export class SubjectIndex<T> {
  readonly #exact = new Map<string, T[]>()
  readonly #patterns = new Map<string, Pattern<T>[]>()

  add(subject: string, item: T): void {
    const { prefix, rest } = split(subject)
    if (rest.length === 0) append(this.#exact, subject, item)
    else append(this.#patterns, prefix, { rest, item })
  }

  remove(subject: string, item: T): void {
    const { prefix, rest } = split(subject)
    if (rest.length === 0) removeFrom(this.#exact, subject, (found) => found === item)
    else removeFrom(this.#patterns, prefix, (found) => found.item === item)
  }

  /**
   * In the order they were added, subjects before patterns. The list is the caller's to read,
   * now, and not to change.
   */
  match(subject: string): readonly T[] {
    const exact = this.#exact.get(subject)
    if (this.#patterns.size === 0) return exact ?? []
    const found = exact === undefined ? [] : [...exact]
    // A wildcard stands for one token at least, so the whole subject is no prefix.
    for (let end = 0; end !== -1; end = subject.indexOf('.', end + 1)) {
      const patterns = this.#patterns.get(subject.slice(0, end))
      if (patterns === undefined) continue
      const tokens = subject.slice(end === 0 ? 0 : end + 1).split('.')
      for (const pattern of patterns) if (matches(pattern.rest, tokens)) found.push(pattern.item)
    }
    return found
  }
}

function split(subject: string): { readonly prefix: string; readonly rest: readonly string[] } {
  const tokens = subject.split('.')
  const first = tokens.findIndex((token) => token === '*' || token === '>')
  return first === -1 ? { prefix: subject, rest: [] } : { prefix: tokens.slice(0, first).join('.'), rest: tokens.slice(first) }
}

function matches(rest: readonly string[], tokens: readonly string[]): boolean {
  for (let i = 0; i < rest.length; i++) {
    if (i >= tokens.length) return false
    if (rest[i] === '>') return true
    if (rest[i] !== '*' && rest[i] !== tokens[i]) return false
  }
  return rest.length === tokens.length
}

function append<V>(lists: Map<string, V[]>, key: string, value: V): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}

function removeFrom<V>(lists: Map<string, V[]>, key: string, is: (value: V) => boolean): void {
  const list = lists.get(key)
  const at = list?.findIndex(is) ?? -1
  if (list === undefined || at === -1) return
  if (list.length === 1) lists.delete(key)
  else list.splice(at, 1)
}
