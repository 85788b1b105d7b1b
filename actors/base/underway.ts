/** Work that somebody may have to wait for. */
export class Underway {
  readonly #all = new Set<Promise<unknown>>()

  add(work: Promise<unknown>): void {
    const ended = work.finally(() => this.#all.delete(ended))
    this.#all.add(ended)
  }

  get all(): readonly Promise<unknown>[] {
    return [...this.#all]
  }
}
