/**
 * The one history of each register of each node, as far as any answer has shown it. Upgrades and crashes
 * change nothing of it: an entry that was shown once is shown for ever.
 *
 * T1 (C3, C12). An entry that was shown at an index is there for ever: a crash loses nothing
 *     that a reply has shown.
 * T2 (C2, C5, C11). A query after an entry was shown shows it too, at every version.
 * T3 (C4). An operation that ended as "not executed" is in no register; one that failed has left no trace.
 * T4 (C2). Nothing is in a register twice, unless the network carried its command twice.
 */
import type { Listed } from './classes.js'
import { rootOf } from './code/operationIds.js'
import { torn } from './registers.js'

/** The fate of an operation. `unknown`: it may or may not be there. */
export type Outcome = 'open' | 'done' | 'unknown' | 'not executed'

/** How long each register was known to be when a call began, by `<node> <register>`. */
export type Lengths = ReadonlyMap<string, number>

export class Model {
  /** By `<node> <register>`: what was told, by index; with holes. */
  readonly #told = new Map<string, string[]>()
  readonly #outcomes = new Map<string, Outcome>()
  /** Of what was done the network carried something a second time: by what was asked first. */
  readonly #copied = new Set<string>()

  /** When each node was restored, and when the lengths of registers were asked for, in one order. */
  readonly #restored = new Map<string, number>()
  readonly #takenAt = new WeakMap<Lengths, number>()
  #order = 0

  constructor(private readonly violated: (rule: string, what: string) => void) {}

  /** The node is back where it was once: it tells that, and what it told since is not so. */
  restored(node: string): void {
    for (const key of [...this.#told.keys()]) if (key.startsWith(`${node} `)) this.#told.delete(key)
    this.#restored.set(node, ++this.#order)
  }

  /** Whether it has lost what it did, and what others know of. */
  isRestored(node: string): boolean {
    return this.#restored.has(node)
  }

  lengths(): Lengths {
    const lengths = new Map([...this.#told].map(([key, told]) => [key, told.length]))
    this.#takenAt.set(lengths, ++this.#order)
    return lengths
  }

  began(op: string): void {
    this.#outcomes.set(op, 'open')
  }

  ended(op: string, told: Outcome): void {
    // One copy was refused; what became of the other nobody knows.
    const outcome = told === 'not executed' && this.#copied.has(rootOf(op)) ? 'unknown' : told
    this.#outcomes.set(op, outcome)
    if (outcome === 'not executed') {
      for (const [key, told] of this.#told) {
        if (told.includes(op)) this.violated('C4', `${op} ended as not executed, but is in ${key}`)
      }
    }
  }

  /** So many calls have been made. */
  get begunCount(): number {
    return this.#outcomes.size
  }

  wasAnswered(op: string): boolean {
    return this.#outcomes.get(op) === 'done'
  }

  copied(op: string): void {
    // With all that it leads to.
    this.#copied.add(rootOf(op))
  }

  /** A command was answered: its operation is at this index. */
  added(op: string, node: string, register: string, index: number, before: Lengths): void {
    if (this.#isOfBefore(node, before)) return
    const key = `${node} ${register}`
    const least = before.get(key) ?? 0
    if (index < least) this.violated('C2', `${op} came after ${least} operations of ${key} were told, and is number ${index}`)
    this.#tell(key, index, op)
  }

  /** A query was answered. */
  listed({ node, list }: Listed, register: string, before: Lengths): void {
    if (this.#isOfBefore(node, before)) return
    const key = `${node} ${register}`
    const least = before.get(key) ?? 0
    if (list.length < least) this.violated('C3', `${key} had ${least} operations before, and has ${list.length}: ${words(list)}`)
    const seen = new Set<string>()
    list.forEach((op, index) => {
      if (op.startsWith(torn)) this.violated('C12', `${key} has half of a command: ${op}`)
      if (seen.has(op) && !this.#copied.has(rootOf(op))) this.violated('C2', `${key} has ${op} twice: ${words(list)}`)
      seen.add(op)
      this.#tell(key, index, op)
    })
  }

  /** An answer that was long on its way: it tells of what the node was before it was restored. */
  #isOfBefore(node: string, asked: Lengths): boolean {
    return (this.#restored.get(node) ?? 0) > (this.#takenAt.get(asked) ?? 0)
  }

  /** The entries of a register that were shown, in order. */
  told(node: string, register: string): readonly string[] {
    return this.#told.get(`${node} ${register}`) ?? []
  }

  #tell(key: string, index: number, op: string): void {
    let told = this.#told.get(key)
    if (told === undefined) {
      told = []
      this.#told.set(key, told)
    }
    const known = told[index]
    if (known !== undefined && known !== op) {
      this.violated('C3', `${key} told ${known} at ${index} before, and tells ${op} now`)
    }
    if (known === undefined) {
      told[index] = op
      if (this.#outcomes.get(op) === 'not executed') this.violated('C4', `${op} ended as not executed, but is in ${key}`)
    }
  }
}

function words(list: readonly string[]): string {
  return list.length === 0 ? '(nothing)' : list.join(' ')
}
