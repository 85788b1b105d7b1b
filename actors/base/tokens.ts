/**
 * The tokens that a host's container offers. Every constructor parameter names its token: decorator metadata
 * does not survive bundling.
 */
import type { DependencyContainer, InjectionToken } from 'tsyringe'
import type { InspectionEvent } from 'xstate'
import type { Level } from '../../core/base/level.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Telemetry } from '../../core/inspection/telemetry.js'
import type { Clock } from '../../core/ports/clock.js'
import type { ShardLogs } from '../../core/ports/log.js'
import type { Random } from '../../core/ports/random.js'
import type { Signer } from '../../core/ports/signatures.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import type { Transport } from '../../core/ports/transport.js'
import type { Purpose, Signed } from '../../core/trust/signed.js'
import type { Trust } from '../../core/trust/trust.js'
import type { Trusts } from '../../core/trust/trustMark.js'
import type { ClassRepository } from '../../core/upgrade/classRepository.js'
import type { CallOrigin } from '../../core/wire/envelope.js'
import type { NeededNeighbours } from './neededNeighbours.js'
import type { HostSettings } from './settings.js'

/** The signers of what this host publishes, and their system. */
export interface Signing {
  /** None on a host that only runs nodes, and where nobody has to sign. */
  readonly upgraders: readonly Signer[]
  readonly trust: Trust | undefined
  /** Takes each signed document, which then goes to no upgrade server. */
  readonly gather: Gather | undefined
}

/** A document that is to be signed by others too, before it is sent. */
export interface ToSign extends Signed {
  readonly purpose: Purpose
}

export type StatechartListener = (event: InspectionEvent) => void

export type Gather = (document: ToSign) => Promise<void>

export const tokens = {
  transport: Symbol.for('theseus.transport') as InjectionToken<Transport>,
  store: Symbol.for('theseus.store') as InjectionToken<StateStore>,
  database: Symbol.for('theseus.database') as InjectionToken<UpgradeDatabase>,
  repository: Symbol.for('theseus.repository') as InjectionToken<ClassRepository>,
  clock: Symbol.for('theseus.clock') as InjectionToken<Clock>,
  random: Symbol.for('theseus.random') as InjectionToken<Random>,
  settings: Symbol.for('theseus.settings') as InjectionToken<HostSettings>,
  observer: Symbol.for('theseus.observer') as InjectionToken<HostObserver>,
  /** The history that the host has verified, from its disk at first. */
  verified: Symbol.for('theseus.verified') as InjectionToken<VerifiedHistory>,
  /** Where the logs of shards are; undefined: this host can offer no sharded service. */
  shardLogs: Symbol.for('theseus.shardLogs') as InjectionToken<ShardLogs | undefined>,
  /** How calls say from where they come. */
  origin: Symbol.for('theseus.origin') as InjectionToken<CallOrigin>,
  /** T2. The level at version 0. */
  beginsAt: Symbol.for('theseus.beginsAt') as InjectionToken<Level>,
  trusts: Symbol.for('theseus.trusts') as InjectionToken<Trusts>,
  signing: Symbol.for('theseus.signing') as InjectionToken<Signing>,
  /** The host's own container, of which the objects of its nodes are made. */
  container: Symbol.for('theseus.container') as InjectionToken<DependencyContainer>,
  /** The other systems that its classes may call. */
  neighbours: Symbol.for('theseus.neighbours') as InjectionToken<NeededNeighbours>,
  /** Traces and measures, if somebody does. */
  telemetry: Symbol.for('theseus.telemetry') as InjectionToken<Telemetry | undefined>,
  /** Hears what the statecharts of upgrade managers do, in this process. */
  inspect: Symbol.for('theseus.inspect') as InjectionToken<StatechartListener | undefined>,
}
