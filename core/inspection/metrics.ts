/** Counts what a host does and shows it to those who ask: one for each host. */

import type { UpgradeDatabase } from '../control/upgradeDatabase.js'
import type { StateStore } from '../ports/stateStore.js'
import type { HostStatus } from './hostStatus.js'
import type { Telemetry } from './telemetry.js'

export interface MetricsFactory {
  open(host: { readonly system: string; readonly hostId: string }): HostMetrics
}

export interface HostMetrics {
  readonly telemetry: Telemetry
  /** The same store, whose commits are measured. */
  store(store: StateStore): StateStore
  /** The same database, whose requests are measured. */
  database(database: UpgradeDatabase): UpgradeDatabase
  /** Answers from now on. Throws `config.invalid` when it can't listen where it should. */
  serve(status: () => HostStatus): Promise<MetricsServer>
}

export interface MetricsServer {
  /** Where it listens: `http://127.0.0.1:9464`. */
  readonly url: string
  close(): Promise<void>
}
