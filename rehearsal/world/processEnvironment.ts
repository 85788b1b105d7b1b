/** The surroundings of every process of the world. */

import type { HostEvent, HostOptions, NodeClass, Operator, Upgrade, Version } from 'theseus-actors'
import type { MemoryState } from 'theseus-actors/memory'
import type { DependencyContainer } from 'tsyringe'
import type { Level } from '../../core/base/level.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Write } from '../../core/ports/stateStore.js'
import type { Network } from './network.js'
import type { Plan, ServiceName } from './plan.js'
import type { ProcessFault } from './processFault.js'
import type { WorldLogs } from './shards/worldLogs.js'
import type { VirtualTime } from './virtualTime.js'

export type UpgradeDatabase = Operator['database']

/** Changes to a world that is to be found wrong: how the oracle itself is tested. */
export interface Tamper {
  readonly upgrade?: (upgrade: Upgrade) => Upgrade
  readonly disk?: (host: string, turn: (action: () => void) => void) => MemoryState
  readonly database?: (database: UpgradeDatabase) => UpgradeDatabase
  readonly register?: (container: DependencyContainer) => void
}

/** The classes that a process has, and the upgrades that it loads. */
export interface ProcessCode {
  readonly first: Readonly<Record<ServiceName, NodeClass>>
  readonly repository: Exclude<HostOptions['bundles'], string | undefined>
}

export interface ProcessEnvironment {
  /** N1. A node has started, though its host could not listen for its calls all the while. */
  unheard(nodeId: string): void
  readonly plan: Plan
  readonly system: string
  readonly time: VirtualTime
  readonly network: Network
  readonly settings: NonNullable<HostOptions['settings']>
  readonly tamper: Tamper
  /** A number in [0, 1) from the world's own chance. */
  chance(): number
  trace(line: string): void
  observed(host: string, event: HostEvent): void
  /** A host has this on its disk now. */
  committed(host: string, writes: readonly Write[]): void
  /**
   * Versions older than this one are dead, and whoever asks now is told so; 0 as long as that is not sure.
   */
  surelyDead(): Version
  /** A node has started. */
  up(nodeId: string): void
  /** A process with these nodes is gone. */
  died(host: string, nodeIds: readonly string[]): void
  /** The level at version 0, where it is not that of release 0.1.0. */
  readonly level: { readonly level?: Level }
  openDatabase(system: string, clock: Clock, processFault: ProcessFault): Promise<UpgradeDatabase>
  hostNumber(host: string): number
  /** Undefined where no service is sharded. */
  readonly logs: WorldLogs | undefined
  /** The code in a process. */
  codeOf(processFault: ProcessFault): ProcessCode
  /** The class that a host's own code brings for a service. */
  codeFor(service: ServiceName): NodeClass
}
