import type { Fault } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'

/**
 * Resolves or rejects as `work` does, or rejects with `late` after `ms`; then `work` goes on,
 * but nobody listens.
 */
export function within<T>(clock: Clock, ms: number, work: Promise<T>, late: () => Fault): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(late()))
    work.then(
      (value) => {
        cancel()
        resolve(value)
      },
      (error) => {
        cancel()
        reject(error)
      },
    )
  })
}

/** Resolves after `ms`; rejects at once when `signal` is aborted. */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason)
      return
    }
    const stopped = () => {
      cancel()
      reject(signal?.reason)
    }
    const cancel = clock.after(ms, () => {
      signal?.removeEventListener('abort', stopped)
      resolve()
    })
    signal?.addEventListener('abort', stopped, { once: true })
  })
}

/**
 * The pause before attempt `failures + 1`: doubles from `first` to `most`, with up to a quarter of jitter.
 */
export function backoffMs(failures: number, first: number, most: number, chance: number): number {
  return Math.min(most, first * 2 ** Math.min(failures, 20)) * (1 + chance / 4)
}

/** Settles as `work` does, or rejects when `signal` is aborted; then `work` goes on, but nobody listens. */
export function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stopped = () => reject(signal.reason)
    if (signal.aborted) stopped()
    else signal.addEventListener('abort', stopped, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stopped))
  })
}
