/** The options of a host. A part of the composition root. */
import type { DependencyContainer } from 'tsyringe'
import type { InspectionEvent } from 'xstate'
import type { HostSettings } from './actors/base/settings.js'
import type { Gather } from './actors/base/tokens.js'
import type { CallFilter } from './actors/serving/callAdmission.js'
import type { ConnectionOptions, NeighboursOption, TrustOptions } from './connections.js'
import type { HostObserver } from './core/inspection/hostEvents.js'
import type { MetricsFactory } from './core/inspection/metrics.js'
import type { Telemetry } from './core/inspection/telemetry.js'
import type { Roles } from './core/model/allow.js'
import type { NodeFacts } from './core/model/nodeFilter.js'
import type { ShardLogs } from './core/ports/log.js'
import type { Signer } from './core/ports/signatures.js'
import type { ClassRepository } from './core/upgrade/classRepository.js'
import type { ProductionOptions } from './production.js'
import type { StateFactory } from './transports/stateFactory.js'

/** The publisher of upgrades. */
export interface SigningOptions {
  /** Signs upgrades: `signer(seed)` of `theseus-actors/nkeys`. Several, where a trust root needs them. */
  readonly upgrader?: Signer | readonly Signer[]
  /**
   * Takes each document that this process signs, which then goes to no upgrade server: others sign it first.
   * It is sent with `operator.publishSigned` or `operator.sendSigned`.
   */
  readonly gather?: Gather
}

export interface HostOptions extends ConnectionOptions, NeighboursOption, TrustOptions, SigningOptions, ProductionOptions {
  /** Names this host among the others. By default a random name. */
  readonly hostId?: string
  /** The host's data on disk. By default `.theseus/<system>`; one host per directory. */
  readonly directory?: string
  /** `lmdb('./state')`. By default LMDB in `state` in the host's directory. */
  readonly state?: StateFactory
  /**
   * Where sharded services keep their state: `jetStreamLogs({ system: 'shop', servers, replicas: 3 })`. The
   * host closes it. By default none; where the system is embedded, beside its upgrade database.
   */
  readonly shards?: ShardLogs
  /** Where bundles are written to be imported. By default `bundles` in the host's directory. */
  readonly bundles?: string | ClassRepository
  /** Lasting facts of the nodes born here, as `{ zone: 'eu' }`: class upgrades can be restricted by them. */
  readonly facts?: NodeFacts
  /** Bounds and intervals that differ from the defaults. */
  readonly settings?: Partial<Omit<HostSettings, 'system' | 'hostId' | 'facts' | 'roles'>>
  /** Registers what the classes of this host ask for in their constructors. */
  readonly register?: (container: DependencyContainer) => void
  readonly observe?: HostObserver
  /** The callers that have each role: `{ editors: ['alice'] }`, for classes that allow `role:editors`. */
  readonly roles?: Roles
  /** Decides on every call that arrives. A call that it does not let in ends with `denied.filter`. */
  readonly filter?: CallFilter
  /** Hears the inspection events of every upgrade manager's statechart. */
  readonly inspect?: (event: InspectionEvent) => void
  /** `openTelemetry()`, of theseus-actors/telemetry: spans. Without it trace context is only passed on. */
  readonly telemetry?: Telemetry
  /** `prometheus({ port: 9464 })`, of theseus-actors/prometheus: `/metrics`, `/healthz` and `/readyz`. */
  readonly metrics?: MetricsFactory
  /** Whether `nats micro ls` lists the host. By default it does, unless the system is embedded. */
  readonly discovery?: boolean
}
