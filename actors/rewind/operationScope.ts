/**
 * Which operation the code that runs is of. One that has ended may have left something behind, which goes on
 * while others run: they are not charged with it.
 */
import { AsyncLocalStorage } from 'node:async_hooks'

const scopes = new AsyncLocalStorage<object>()

/** Runs the beginning of an operation; all that follows from it is of the operation too. */
export function inScope<T>(scope: object, work: () => T): T {
  return scopes.run(scope, work)
}

/** Code that a library has called, outside any operation, is of the one that runs. */
export function isOf(scope: object): boolean {
  const found = scopes.getStore()
  return found === undefined || found === scope
}
