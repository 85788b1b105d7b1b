/**
 * The reports of a node about itself: to its registration, to the host's observer, to whoever follows it, and
 * to those who look at the host.
 */

import type { Version } from '../../core/base/ids.js'
import type { Phase } from '../../core/base/phases.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { NodeSnapshot } from '../../core/inspection/hostStatus.js'
import { describeClass } from '../../core/model/nodeObject.js'
import type { NodeRecord } from '../../core/model/nodeRecord.js'
import type { NodeFigures, NodeRow, RecordsUnmade } from '../../core/model/nodeRow.js'
import type { Clock } from '../../core/ports/clock.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { usesOf } from '../../core/upgrade/agreement.js'
import type { HostSettings } from '../base/settings.js'
import type { ClassRegistry } from '../history/classRegistry.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import type { StatusReporter } from '../registration/statusReporter.js'
import type { CallCounts } from '../serving/callCounts.js'
import type { Mailbox } from '../serving/mailbox.js'
import type { NodeRecordStore } from '../software/nodeRecordStore.js'
import type { NodeLearning } from '../upgrade/nodeLearning.js'
import { unmadeOf } from '../upgrade/recordPass.js'
import type { NodeLife } from './nodeLife.js'

/** Of its host, for what is said of a node. */
export interface StatusServices {
  readonly statusReporter: StatusReporter
  readonly observe: HostObserver
  readonly settings: HostSettings
  readonly store: StateStore
  readonly clock: Clock
  readonly classes: ClassRegistry
  readonly history: UpgradeHistory
  /** Left out for the nodes of a host. */
  readonly shard?: number
}

/** The node that reports are about. */
export interface ReportingNode {
  readonly services: StatusServices
  readonly recordStore: NodeRecordStore
  readonly mailbox: Mailbox
  readonly learning: NodeLearning
  readonly calls: CallCounts
  readonly life: NodeLife
  readonly group: { readonly name: string } | undefined
}

interface Said {
  readonly phase: Phase
  readonly target: Version | null
  readonly reason: string | null
}

const atFirst: Said = { phase: 'current', target: null, reason: null }
const nobody: readonly (() => boolean)[] = []

export class NodeStatus {
  #said = atFirst
  #followers = nobody

  constructor(private readonly node: ReportingNode) {}

  /** The phase that was last reported. */
  get phase(): Phase {
    return this.#said.phase
  }

  /** The version that it is on its way to. */
  get target(): Version | null {
    return this.#said.target
  }

  /** Why it is in that phase. */
  get reason(): string | null {
    return this.#said.reason
  }

  report(phase: Phase, target: Version | null, reason: string | null): void {
    const { recordStore, calls } = this.node
    const { statusReporter, observe, settings, store, clock, classes, shard } = this.node.services
    const { nodeId, service } = recordStore.record
    const { className, version } = recordStore.replier
    const uses = usesOf(describeClass(classes.definitionAt(recordStore.lineage(classes), version)))
    statusReporter.report({
      nodeId,
      service,
      className,
      version,
      phase,
      target,
      reason,
      hostId: settings.hostId,
      directoryId: store.directoryId,
      since: clock.now(),
      ...this.#settled(phase, target),
      ...(this.node.group === undefined ? {} : { group: this.node.group.name }),
      ...(shard === undefined ? {} : { shard }),
      ...(uses.length === 0 ? {} : { uses }),
      ...rewindRow(recordStore.record),
      // Renewed with the lease; until then nobody is to think that all are made.
      ...(this.records === null ? {} : { figures: this.figures! }),
    })
    if (phase !== this.#said.phase) calls.phaseBegins()
    this.#said = { phase, target, reason }
    observe({ type: 'phase', nodeId, service, className, version, phase, target, reason })
    const followers = this.#followers.filter((isDone) => !isDone())
    this.#followers = followers.length === 0 ? nobody : followers
  }

  #settled(phase: Phase, target: Version | null): Pick<NodeRow, 'settled'> {
    const { recordStore, services } = this.node
    const { classes } = services
    if (phase !== 'scheduled' || target === null) return {}
    const lineage = recordStore.lineage(classes)
    if (!classes.isHeldBack(lineage, target, recordStore.record)) return {}
    return { settled: classes.settledAt(lineage, target, recordStore.record) }
  }

  /**
   * How calls have gone since the phase began, where that tells how an upgrade does: on nodes that wait for
   * one, or have just had one.
   */
  get figures(): NodeFigures | undefined {
    const { calls, recordStore, services } = this.node
    const { heard } = services.history
    const { records } = this
    if (records !== null) return { ...calls.sincePhase, records }
    if (heard === 0 || recordStore.record.generation.version < heard - 1) return undefined
    return calls.sincePhase
  }

  /** Records that are still to be made. */
  get records(): RecordsUnmade | null {
    return unmadeOf(this.node.recordStore.record.generation)
  }

  get snapshot(): NodeSnapshot {
    const { recordStore, mailbox, learning, calls, life } = this.node
    const { node: id, className, version } = recordStore.replier
    const { answered, failed, expired } = calls
    return {
      id,
      service: recordStore.record.service,
      className,
      version,
      ...this.#said,
      isServing: mailbox.isOpen && life.state !== 'behind',
      waiting: mailbox.waiting,
      fetching: learning.held,
      answered,
      failed,
      expired,
      records: this.records,
    }
  }

  /** Calls `isDone` now and after each phase begins, until it returns true. */
  follow(isDone: () => boolean): void {
    if (!isDone()) this.#followers = this.#followers.concat(isDone)
  }
}

function rewindRow({ rewind }: NodeRecord): Pick<NodeRow, 'rewind'> {
  if (rewind === undefined) return {}
  return { rewind: rewind.phase === 'recording' ? { untilMs: rewind.untilMs } : { ended: rewind.reason } }
}
