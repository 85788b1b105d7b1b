import type { Clock } from 'theseus-actors/ports'

/** An hour in a second: the time of day moves when the story says so. Intervals are real ones. */
export class StoryClock implements Clock {
  #now = Date.parse('2026-12-01T14:00:00Z')

  now(): number {
    return this.#now
  }

  passes(seconds: number): void {
    this.#now += 1000 * seconds
  }

  monotonicMs(): number {
    return performance.now()
  }

  after(ms: number, action: () => void): () => void {
    const timer = setTimeout(action, ms).unref()
    return () => clearTimeout(timer)
  }

  turn(action: () => void): void {
    setImmediate(action)
  }
}

export const accounts = ['alice', 'bob', 'carol'] as const

export interface Request {
  readonly account: string
  readonly method: 'deposit' | 'withdraw' | 'balance' | 'statement'
  readonly args: readonly number[]
}

/** So many requests, the same in each run. */
export function* traffic(count: number): Generator<Request, undefined> {
  let seed = 20261201
  const upTo = (max: number) => (seed = (seed * 48271) % 2147483647) % max
  for (let i = 0; i < count; i++) {
    const account = accounts[upTo(accounts.length)]!
    const chance = upTo(10)
    if (chance < 3) yield { account, method: 'deposit', args: [1 + upTo(1000)] }
    else if (chance < 7) yield { account, method: 'withdraw', args: [1 + upTo(1200)] }
    else if (chance < 9) yield { account, method: 'balance', args: [] }
    else yield { account, method: 'statement', args: [] }
  }
}
