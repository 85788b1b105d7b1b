/** The services that every node of a host shares. Resolved once from the host's container. */
import { inject, injectable } from 'tsyringe'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Telemetry } from '../../core/inspection/telemetry.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import type { Transport } from '../../core/ports/transport.js'
import type { Trusts } from '../../core/trust/trustMark.js'
import type { HostSettings } from '../base/settings.js'
import { type StatechartListener, tokens } from '../base/tokens.js'
import { CallTable } from '../calls/callTable.js'
import { KeptContacts } from '../calls/nodeContacts.js'
import { Outbox } from '../calls/outbox.js'
import { ClassRegistry } from '../history/classRegistry.js'
import { DenialReports } from '../history/denialReports.js'
import { Intake } from '../history/intake.js'
import { UpgradeHistory } from '../history/upgradeHistory.js'
import { CallRecorder } from '../inspection/callRecorder.js'
import { Inspection } from '../inspection/inspection.js'
import { Neighbours } from '../neighbours/neighbours.js'
import { Controls } from '../registration/controls.js'
import { HostFence } from '../registration/hostFence.js'
import { NodeRowCache } from '../registration/nodeRowCache.js'
import { StatusReporter } from '../registration/statusReporter.js'
import { Backlog } from '../serving/backlog.js'
import { CallAdmission } from '../serving/callAdmission.js'
import { Denials } from '../serving/denials.js'
import { EventHub } from '../serving/eventHub.js'
import { ObjectFactory } from '../software/objectFactory.js'
import { Journal } from '../state/journal.js'
import { RecordPassScheduler } from '../state/recordPassScheduler.js'
import { TimerWheel } from '../timerWheel.js'
import { UpgradeQueue } from '../upgrade/upgradeQueue.js'

@injectable()
export class NodeServices {
  readonly addressed = 'by node'

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
    @inject(KeptContacts) readonly contacts: KeptContacts,
    @inject(CallTable) readonly calls: CallTable,
    @inject(TimerWheel) readonly wheel: TimerWheel,
    @inject(UpgradeHistory) readonly history: UpgradeHistory,
    @inject(tokens.trusts) readonly trusts: Trusts,
    @inject(ClassRegistry) readonly classes: ClassRegistry,
    @inject(Intake) readonly intake: Intake,
    @inject(StatusReporter) readonly statusReporter: StatusReporter,
    @inject(NodeRowCache) readonly nodeRowCache: NodeRowCache,
    @inject(RecordPassScheduler) readonly passes: RecordPassScheduler,
    @inject(UpgradeQueue) readonly upgradeQueue: UpgradeQueue,
    @inject(EventHub) readonly events: EventHub,
    @inject(Controls) readonly controls: Controls,
    @inject(Inspection) readonly inspection: Inspection,
    @inject(CallRecorder) readonly callRecorder: CallRecorder,
    @inject(HostFence) readonly fence: HostFence,
    @inject(CallAdmission) readonly admission: CallAdmission,
    @inject(Backlog) readonly backlog: Backlog,
    @inject(Denials) readonly denials: Denials,
    @inject(DenialReports) readonly denialReports: DenialReports,
    @inject(ObjectFactory) readonly objects: ObjectFactory,
    @inject(Neighbours) readonly neighbours: Neighbours,
    @inject(tokens.telemetry) readonly telemetry: Telemetry | undefined,
    @inject(tokens.inspect) readonly inspect: StatechartListener | undefined,
  ) {}
}
