/**
 * The nodes of one service in the order of their ids, and how far an upgrade has come among them. Those count
 * that are alive or done: a dead node blocks nobody.
 */
import type { Version } from '../base/ids.js'
import type { NodeRow } from '../model/nodeRow.js'
import { isDone } from './rowConditions.js'

export class NodeOrder {
  readonly #rows: NodeRow[]
  readonly #isDone: boolean[]
  /** The first that is not done; one past the end if all are. */
  #unfinished = 0
  #since: { readonly first: number; readonly ms: number } | undefined

  /** @param rows of the service */
  constructor(
    rows: readonly NodeRow[],
    private readonly target: Version,
  ) {
    const counted = rows.filter((row) => counts(row, target))
    this.#rows = isInOrder(counted) ? counted : counted.toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
    this.#isDone = this.#rows.map((row) => isDone(row, target))
    this.#advance()
  }

  get size(): number {
    return this.#rows.length
  }

  /** The place of the first node that is not done; `size` if all are. */
  get unfinished(): number {
    return this.#unfinished
  }

  has(nodeId: string): boolean {
    return this.#rows[this.placeOf(nodeId)]?.nodeId === nodeId
  }

  /** How many nodes have a lower id. */
  placeOf(nodeId: string): number {
    let [from, to] = [0, this.#rows.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      if (this.#rows[middle]!.nodeId < nodeId) from = middle + 1
      else to = middle
    }
    return from
  }

  /** Whether so many nodes, the first ones, are done. */
  areDone(first: number): boolean {
    return this.#unfinished >= Math.min(first, this.size)
  }

  /** When the last of the first nodes reached its phase: milliseconds since 1970, by its host's clock. */
  since(first: number): number {
    if (this.#since?.first !== first) {
      let ms = Number.NEGATIVE_INFINITY
      for (let place = 0; place < first && place < this.size; place++) ms = Math.max(ms, this.#rows[place]!.since)
      this.#since = { first, ms }
    }
    return this.#since.ms
  }

  /** Takes the new row of a node. False where another set of nodes counts now: then this order is over. */
  take(row: NodeRow): boolean {
    const place = this.placeOf(row.nodeId)
    if (this.has(row.nodeId) !== counts(row, this.target)) return false
    if (!this.has(row.nodeId)) return true
    this.#rows[place] = row
    this.#isDone[place] = isDone(row, this.target)
    if (this.#since !== undefined && place < this.#since.first) this.#since = undefined
    if (!this.#isDone[place]) this.#unfinished = Math.min(this.#unfinished, place)
    else if (place === this.#unfinished) this.#advance()
    return true
  }

  #advance(): void {
    while (this.#isDone[this.#unfinished] === true) this.#unfinished++
  }
}

function counts(row: NodeRow, target: Version): boolean {
  return row.alive || isDone(row, target)
}

function isInOrder(rows: readonly NodeRow[]): boolean {
  return rows.every(({ nodeId }, i) => i === 0 || rows[i - 1]!.nodeId < nodeId)
}
