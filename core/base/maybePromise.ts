/**
 * Answers of user code that may be promises. A promise is whatever `await` waits for: also an object, or a
 * function, of another library or realm with a method `then`, which need not return anything and may call
 * back twice, at once, or never.
 */
const { then } = Promise.prototype

/** The answer as a promise, if it has to be waited for; undefined if it is here already. Never throws. */
export function promiseOf(answer: unknown): Promise<unknown> | undefined {
  if ((typeof answer !== 'object' && typeof answer !== 'function') || answer === null) return undefined
  try {
    if (typeof (answer as { then?: unknown }).then !== 'function') return undefined
  } catch (error) {
    return Promise.reject(error)
  }
  return Promise.resolve(answer)
}

/**
 * Calls one of the two when the promise has settled. Unlike its own method `then`, this one
 * can't have been replaced.
 */
export function whenSettled<Done>(
  promise: Promise<unknown>,
  fulfilled: (value: unknown) => Done,
  rejected: (error: unknown) => Done,
): Promise<Awaited<Done>> {
  return then.call(promise, fulfilled, rejected) as Promise<Awaited<Done>>
}

/**
 * Of what was thrown: a promise is no reason, and its rejection is not to end the process. One of another
 * library is left alone: it may be lazy.
 */
export function ignoreThrownPromise(thrown: unknown): void {
  try {
    // Throws for all that is no promise of this realm.
    then.call(thrown as Promise<unknown>, nothing, nothing).catch(nothing)
  } catch {}
}

/** Whether it is a promise. Nobody waits for it then: its rejection is not to end the process. */
export function isPromiseIgnored(answer: unknown): boolean {
  const promise = promiseOf(answer)
  if (promise !== undefined) void whenSettled(promise, nothing, nothing)
  return promise !== undefined
}

function nothing(): void {}
