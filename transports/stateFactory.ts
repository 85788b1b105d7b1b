import type { StateStore } from '../core/ports/stateStore.js'

/**
 * How a host comes to its state store: `lmdb('./state')`, `memoryStore()`. Described when the
 * host is, opened when it starts.
 */
export interface StateFactory {
  /**
   * Its directory, where there is one. An embedded system keeps its upgrade database in `udb` there.
   */
  readonly directory?: string
  /**
   * Opens the store and holds it until it is closed. Rejects with `config.directory-held` while another host
   * holds it, and with `config.invalid` when it can't be read.
   */
  open(): Promise<StateStore>
}
