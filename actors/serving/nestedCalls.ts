/**
 * The calls that run inside one call of a re-entrant class (C2): made for it, run while it
 * waits, committed with it.
 *
 *   I1. A call ends when its own method has returned and no call runs inside it any more: nothing of its path
 *       writes into a later call.
 *   I2. A call inside that ends while the outer method runs is answered at once, for that
 *       method may wait for the answer. One that ends later is answered when it is known
 *       whether the outer call's writes are kept.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Fault } from '../../core/base/fault.js'

/** A call that runs inside another one. */
export interface NestedCall {
  /** Undefined until it makes a call. */
  readonly entryInPaths: string | undefined
}

/** The call inside whose code runs now: what that code sends is sent for it, and not for the outer call. */
const innermost = new AsyncLocalStorage<NestedCall>()

export class NestedCalls<Call extends NestedCall> {
  readonly #running = new Set<Call>()
  /** Those that ended after the outer method had returned. */
  readonly #unanswered: ((failed: Fault | undefined) => void)[] = []
  #hasReturned = false
  /** Once it is known what becomes of the outer call's writes. */
  #settled: { readonly failed: Fault | undefined } | undefined
  #whenAlone: (() => void) | undefined

  /** The call inside whose code runs now, if any. */
  get current(): Call | undefined {
    const current = this.#running.size === 0 ? undefined : (innermost.getStore() as Call | undefined)
    return current !== undefined && this.#running.has(current) ? current : undefined
  }

  get isEmpty(): boolean {
    return this.#running.size === 0
  }

  find(entry: string): Call | undefined {
    for (const call of this.#running) if (call.entryInPaths === entry) return call
    return undefined
  }

  /** Runs code of a call that is inside until `ended`. */
  run(call: Call, code: () => unknown): void {
    this.#running.add(call)
    innermost.run(call, code)
  }

  /** The call's method has ended well; `answer` says so, or why what it wrote is not kept (I2). */
  answered(call: Call, answer: (failed: Fault | undefined) => void): void {
    if (this.#settled !== undefined) answer(this.#settled.failed)
    else if (this.#hasReturned) this.#unanswered.push(answer)
    else answer(undefined)
    this.ended(call)
  }

  ended(call: Call): void {
    this.#running.delete(call)
    if (this.#running.size === 0) this.#whenAlone?.()
  }

  /**
   * The outer method has returned (I1). Resolves when no call runs inside any more; undefined
   * if that is so already.
   */
  returned(): Promise<void> | undefined {
    this.#hasReturned = true
    if (this.#running.size === 0) return undefined
    return new Promise((resolve) => {
      this.#whenAlone = resolve
    })
  }

  /** The writes of the outer call are kept or, with a fault, are not. */
  settle(failed: Fault | undefined): void {
    this.#settled = { failed }
    for (const answer of this.#unanswered.splice(0)) answer(failed)
  }
}
