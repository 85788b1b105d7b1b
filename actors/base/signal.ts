/**
 * News of one part of a host for the parts above it. The part that tells the news owns the signal and knows
 * none of its listeners; a listener knows that part, and subscribes when it is made. So arrows go one way.
 *
 * A signal is for news that nobody answers. Where exactly one part answers, it is a parameter of
 * construction.
 */
export class Signal<T = void> {
  readonly #listeners: ((news: T) => void)[] = []

  on(listener: (news: T) => void): void {
    this.#listeners.push(listener)
  }

  /** Tells all listeners now, in the order in which they subscribed. */
  emit(news: T): void {
    for (const listener of this.#listeners) listener(news)
  }
}
