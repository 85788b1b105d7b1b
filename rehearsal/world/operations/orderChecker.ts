/**
 * Knows which orders the upgrade database has counted and which were carried out there.
 *
 * P5. An order is counted and carried out, or neither; and the same document is never carried out twice.
 * P6. An order that is answered as done was carried out.
 */
import { type Control, type ControlName, controlKey } from '../../../core/control/control.js'
import { decodeDirective, type Order } from '../../../core/control/directive.js'
import type { Signed } from '../../../core/trust/signed.js'

export class OrderChecker {
  /** Counted, and not carried out yet: how many of each. */
  readonly #open = new Map<string, number>()
  readonly #documents = new Set<string>()
  readonly #carriedOutAtMs = new Map<string, number>()

  constructor(
    private readonly now: () => number,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  /** A directive has its number. */
  counted({ bytes }: Signed): void {
    const document = Buffer.from(bytes).toString()
    if (this.#documents.has(document)) this.violated('P5', `an order is carried out a second time: ${document}`)
    this.#documents.add(document)
    const name = nameOf(decodeDirective(bytes).what)
    this.#open.set(name, (this.#open.get(name) ?? 0) + 1)
  }

  set(control: Control): void {
    this.#carriedOut(`set ${controlKey(control)}`)
  }

  removed(control: ControlName): void {
    this.#carriedOut(`remove ${controlKey(control)}`)
  }

  setInTable(table: string, key: string): void {
    this.#carriedOut(`setInTable ${table} ${key}`)
  }

  removedFromTable(table: string, key: string): void {
    this.#carriedOut(`removeFromTable ${table} ${key}`)
  }

  finalized(): void {
    this.#carriedOut('finalize')
  }

  /** An operator hears that its order, given at that time, is carried out. */
  answered(control: ControlName, givenAtMs: number): void {
    const atMs = this.#carriedOutAtMs.get(`set ${controlKey(control)}`)
    if (atMs === undefined || atMs < givenAtMs)
      this.violated('P6', `${controlKey(control)} is answered as ordered, and the upgrade database has not heard of it`)
  }

  /** At rest: nobody will carry them out any more. */
  check(): void {
    for (const [name, count] of this.#open)
      if (count > 0) this.violated('P5', `an order is counted and was never carried out: ${name}`)
  }

  #carriedOut(name: string): void {
    this.#carriedOutAtMs.set(name, this.now())
    const open = this.#open.get(name) ?? 0
    if (open > 0) this.#open.set(name, open - 1)
  }
}

function nameOf(what: Order): string {
  switch (what.order) {
    case 'set':
    case 'remove':
      return `${what.order} ${controlKey(what.control)}`
    case 'finalize':
      return what.order
    case 'forget':
      return `${what.order} ${what.nodeId}`
    case 'backup':
    case 'restore':
      return `${what.order} ${what.digest}`
    case 'record':
      return `${what.order} ${what.recording.viewer}`
    case 'setInTable':
    case 'removeFromTable':
      return `${what.order} ${what.table} ${what.key}`
  }
}
