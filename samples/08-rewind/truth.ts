import type { ReportedDifference } from 'theseus-actors/operator'
import type { Request } from './hour.js'

/** A request, with the answer that its caller was told. */
export interface Told extends Request {
  readonly atMs: number
  /** Undefined for a request that was refused: its caller was told so, and nothing has come of it. */
  readonly answer: { readonly value: unknown } | undefined
}

/** The true balances, and each request with another answer than the true one. */
export interface Truth {
  readonly balances: ReadonlyMap<string, number>
  readonly untrue: ReadonlyMap<Told, string>
}

/** Goes through all that callers were told, with accounts that never had the fault. */
export function untruths(all: readonly Told[]): Truth {
  const balances = new Map<string, number>()
  const untrue = new Map<Told, string>()
  for (const told of all) {
    if (told.answer === undefined) continue
    const { account, method, args } = told
    const balance = balances.get(account) ?? 0
    const [cents = 0] = args
    if (method === 'deposit') balances.set(account, balance + cents)
    else if (method === 'withdraw' && cents <= balance) balances.set(account, balance - cents)
    else if (method === 'withdraw') untrue.set(told, 'refused')
    else if (method === 'balance' && told.answer.value !== balance) untrue.set(told, `answer ${balance}`)
    else if (method === 'statement' && told.answer.value !== balance) untrue.set(told, 'diverged')
  }
  return { balances, untrue }
}

export function reported({ outcome, now }: ReportedDifference): string {
  return outcome === 'answer' ? `answer ${now}` : outcome
}
