/**
 * The door `theseus-actors/ports`: for adapters of other transports, stores, databases and telemetry. A class
 * that implements one of these interfaces is given to `createHost`. docs/reference.md says what each name is.
 */
export type { AuditHead } from './core/control/audit.js'
export type { Control, ControlName, Going } from './core/control/control.js'
export type { Directed, Directive, DirectiveLog } from './core/control/directive.js'
export type { Doubt, Probation, Session, Standing } from './core/control/standing.js'
export type {
  Death,
  Elsewhere,
  Head,
  Heard,
  PermitAnswer,
  Predecessor,
  RegisterAnswer,
  UpgradeDatabase,
} from './core/control/upgradeDatabase.js'
export type { HostMetrics, MetricsFactory, MetricsServer } from './core/inspection/metrics.js'
export type {
  CallMade,
  CallReceived,
  Hop,
  MadeWatch,
  ReceivedOutcome,
  ReceivedWatch,
  Telemetry,
} from './core/inspection/telemetry.js'
export type { Clock, WallClock } from './core/ports/clock.js'
export type { Random } from './core/ports/random.js'
export type { Signatures, Signer } from './core/ports/signatures.js'
export { compareKeys, type StateStore, storeKeyBytesMax, type Write } from './core/ports/stateStore.js'
export type { Message, SubscribeOptions, Subscription, Transport, TransportStatus } from './core/ports/transport.js'
export type { Signed } from './core/trust/signed.js'
export type { ClassRepository } from './core/upgrade/classRepository.js'
export type { SignedManifest } from './core/upgrade/manifest.js'
export type { ConnectionFacts, TransportFactory, TransportOptions } from './transports/factory.js'
export type { StateFactory } from './transports/stateFactory.js'
export type { UdbFactory } from './transports/udbFactory.js'
