import type { Version } from '../../core/base/ids.js'
import { invariant } from '../../core/base/invariant.js'
import type { Phase } from '../../core/base/phases.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { LazySlot } from '../../core/model/nodeRecord.js'
import type { RecordRules } from '../../core/model/recordTransform.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import type { Undoes } from '../../core/upgrade/undo.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import type { NodeContacts } from '../calls/nodeContacts.js'
import type { ClassRegistry } from '../history/classRegistry.js'
import type { Intake } from '../history/intake.js'
import type { Controls } from '../registration/controls.js'
import type { NodeRowCache } from '../registration/nodeRowCache.js'
import type { Mailbox, Turn } from '../serving/mailbox.js'
import type { ObjectEnvironment } from '../serving/objectEnvironment.js'
import type { NodeRecordStore } from '../software/nodeRecordStore.js'
import type { NodeSoftware } from '../software/nodeSoftware.js'
import type { Journal } from '../state/journal.js'
import type { NodeState } from '../state/nodeState.js'
import type { NodeGroup } from './nodeGroup.js'
import type { NodeLearning } from './nodeLearning.js'
import type { AdmissionServices } from './upgradeAdmission.js'
import type { UpgradePermit } from './upgradePermit.js'

/** Of its host, for an upgrade. */
export interface UpgradeServices extends AdmissionServices {
  readonly controls: Controls
  readonly journal: Journal
  readonly observe: HostObserver
  readonly classes: ClassRegistry
  readonly intake: Intake
  readonly store: StateStore
  readonly nodeRowCache: NodeRowCache
  readonly database: UpgradeDatabase
}

/** The parts of its node that an upgrade needs. */
export interface UpgradingNode extends ObjectEnvironment {
  readonly id: string
  readonly services: UpgradeServices
  readonly recordStore: NodeRecordStore
  readonly state: NodeState
  readonly software: NodeSoftware
  readonly mailbox: Mailbox
  readonly learning: NodeLearning
  readonly permit: UpgradePermit
  readonly contacts: Pick<NodeContacts, 'list'>
  /** The nodes with which it goes through every version, if there are any. */
  readonly group: NodeGroup | undefined
  /** How the records of a lazy slot are made. */
  rulesOf(lazy: LazySlot): RecordRules
  /** Calls that the node has answered since it started. */
  readonly calls: { readonly answered: number; readonly failed: number }
  /** From now on the upgrade has the object; a crash meanwhile is the upgrade's to handle. */
  beginUpgrade(): void
  /** The node has an object again, the new one or the old, and serves. */
  serveAfterUpgrade(): void
  /** The upgrade leaves no object behind that could serve: the node restarts from what is on disk. */
  crashInUpgrade(error: unknown): void
  readonly isEnding: boolean
  /**
   * Whether the node's version is dead: then it does not serve, and does not wait to be told when to
   * upgrade.
   */
  readonly isAtDeadVersion: boolean
  /** Resolves when the node is not being restarted: an upgrade must not take the same object apart. */
  whenRestarted(): Promise<void>
  /** The node restarts from what is on disk. */
  crash(error: unknown): void
  serve(): void
  /** Closes the mailbox, but for turns that `admits`; resolves when the running call has finished. */
  close(admits?: (turn: Turn) => boolean): Promise<void>
  consider(): void
  leaveService(): Promise<void>
  /** Tells the UDB and the observers. */
  report(phase: Phase, target: Version | null, reason: string | null): void
}

/** The future-SO is in the chain, also where the node has restarted from a disk that did not take it. */
export async function learn(node: UpgradingNode, to: Version): Promise<void> {
  await node.learning.prepare(to)
  await node.state.settled()
}

/** The version that an upgrade for this node undoes. */
export function undoesFor(node: UpgradingNode): Undoes {
  const { classes } = node.services
  return (version) => classes.undoes(node.recordStore.lineage(classes), version)
}

/** The class upgrade to `target`, which concerns this node. */
export function classUpgradeOf(node: UpgradingNode, target: Version): ClassUpgrade {
  const { classes } = node.services
  const found = classes.classUpgrade(node.recordStore.lineage(classes), target)
  invariant(found !== undefined, `upgrade ${target} does not concern ${node.id}`)
  return found
}
