/** What every node of a host shares. Resolved once from the host's container. */
import { type DependencyContainer, inject, injectable } from 'tsyringe'
import type { InspectionEvent } from 'xstate'
import type { HostObserver } from '../core/hostEvents.js'
import type { NodeClass } from '../core/nodeObject.js'
import type { Clock } from '../core/ports/clock.js'
import type { Random } from '../core/ports/random.js'
import type { StateStore } from '../core/ports/stateStore.js'
import type { Telemetry } from '../core/ports/telemetry.js'
import type { Transport } from '../core/ports/transport.js'
import type { UpgradeDatabase } from '../core/ports/upgradeDatabase.js'
import type { Trusts } from '../core/trustMark.js'
import { Admission } from './admission.js'
import { Backlog } from './backlog.js'
import { CallTable } from './callTable.js'
import { ClassRegistry } from './classRegistry.js'
import { Contacts } from './contacts.js'
import { Controls } from './controls.js'
import { DenialReports } from './denialReports.js'
import { Denials } from './denials.js'
import { EventHub } from './eventHub.js'
import { HostFence } from './hostFence.js'
import { Inspection } from './inspection.js'
import { Journal } from './journal.js'
import { Outbox } from './outbox.js'
import { Population } from './population.js'
import { RecordPasses } from './recordPasses.js'
import { Registrar } from './registrar.js'
import type { HostSettings } from './settings.js'
import { TimerWheel } from './timerWheel.js'
import { tokens } from './tokens.js'
import { UpgradeHistory } from './upgradeHistory.js'
import { UpgradeLine } from './upgradeLine.js'

@injectable()
export class NodeServices {
  /** Makes users' objects: each node is a child of this container, so a class can ask for its own dependencies. */
  container!: DependencyContainer
  /** Hears what the upgrade managers' statecharts do, in this process. */
  inspect: ((event: InspectionEvent) => void) | undefined
  /** Traces and measures, if somebody does. Set before the first node starts. */
  telemetry: Telemetry | undefined

  constructor(
    @inject(tokens.transport) readonly transport: Transport,
    @inject(tokens.store) readonly store: StateStore,
    @inject(tokens.database) readonly database: UpgradeDatabase,
    @inject(tokens.clock) readonly clock: Clock,
    @inject(tokens.random) readonly random: Random,
    @inject(tokens.settings) readonly settings: HostSettings,
    @inject(tokens.observer) readonly observe: HostObserver,
    @inject(Journal) readonly journal: Journal,
    @inject(Outbox) readonly outbox: Outbox,
    @inject(Contacts) readonly contacts: Contacts,
    @inject(CallTable) readonly calls: CallTable,
    @inject(TimerWheel) readonly wheel: TimerWheel,
    @inject(UpgradeHistory) readonly history: UpgradeHistory,
    @inject(tokens.trusts) readonly trusts: Trusts,
    @inject(ClassRegistry) readonly classes: ClassRegistry,
    @inject(Registrar) readonly registrar: Registrar,
    @inject(Population) readonly population: Population,
    @inject(RecordPasses) readonly passes: RecordPasses,
    @inject(UpgradeLine) readonly line: UpgradeLine,
    @inject(EventHub) readonly events: EventHub,
    @inject(Controls) readonly controls: Controls,
    @inject(Inspection) readonly inspection: Inspection,
    @inject(HostFence) readonly fence: HostFence,
    @inject(Admission) readonly admission: Admission,
    @inject(Backlog) readonly backlog: Backlog,
    @inject(Denials) readonly denials: Denials,
    @inject(DenialReports) readonly denialReports: DenialReports,
  ) {
    journal.isHeld = (goOn) => fence.holds(goOn)
  }

  /** A class without constructor parameters needs no container of its own. */
  construct(definition: NodeClass): object {
    const concrete = definition as unknown as new () => object
    return concrete.length === 0 ? new concrete() : this.container.createChildContainer().resolve(concrete)
  }
}
