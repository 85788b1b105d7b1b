/** How tests look at calls and work that end with a fault. */
import type { ExecutionContext } from 'ava'
import { Fault, isFault } from '../../core/base/fault.js'

/** The code of a fault; all of anything else that was thrown. */
export function thrownCode(thrown: unknown): string {
  return isFault(thrown) ? thrown.code : String(thrown)
}

/** The code of the fault that a call ends with, or its answer. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then((value) => `answered ${JSON.stringify(value)}`, thrownCode)
}

/** The same of work that ends at once. */
export function codeOfNow(action: () => unknown): string {
  try {
    return `answered ${JSON.stringify(action())}`
  } catch (error) {
    return thrownCode(error)
  }
}

/** The fault that the work ends with; a test that gets anything else fails. */
export async function refusalOf(t: ExecutionContext<any>, work: Promise<unknown> | (() => unknown)): Promise<Fault> {
  const fault = await t.throwsAsync(async () => (typeof work === 'function' ? work() : work), { instanceOf: Fault })
  return fault!
}
