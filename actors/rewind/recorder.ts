/**
 * Records the operations of one node since a flip that can be rewound (W1): each in the commit of what it
 * wrote, in the order in which they ran. Its bounds are time, number and bytes; past one of them nobody can
 * rewind the node any more, and what was kept for it is swept.
 */
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { MethodKind } from '../../core/model/methods.js'
import { keys, type NodeRecord, numberOfKey, type Recording } from '../../core/model/nodeRecord.js'
import { decodeOperation } from '../../core/model/recordedOperation.js'
import type { Clock } from '../../core/ports/clock.js'
import { recordingEnded } from '../../core/upgrade/generations.js'
import type { CallerInfo } from '../../core/wire/callerInfo.js'
import { pack } from '../../core/wire/codec.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'
import { kinds } from '../../core/wire/envelope.js'
import type { HostSettings } from '../base/settings.js'
import type { UpgradeHistory } from '../history/upgradeHistory.js'
import type { Mailbox } from '../serving/mailbox.js'
import type { Journal } from '../state/journal.js'
import type { NodeState } from '../state/nodeState.js'
import { OpenOperation, type OperationKeeper } from './openOperation.js'
import { isOf } from './operationScope.js'
import { sweepRecordings } from './recordingSweep.js'

/** Of its host. */
export interface RecorderServices {
  readonly journal: Journal
  readonly clock: Clock
  readonly settings: HostSettings
  readonly observe: HostObserver
}

/** The parts of its node that a recorder needs. */
export interface RecordedNode {
  readonly state: NodeState
  readonly mailbox: Pick<Mailbox, 'turn'>
  readonly recordStore: { readonly record: NodeRecord; write(record: NodeRecord): void }
  /** The way back is closed: the upgrade database is to hear of it. */
  recordingEnded(): void
}

/** Of a call that begins. */
export interface BegunCall {
  readonly envelope: CallEnvelope
  readonly caller: CallerInfo
  readonly isOfTimer: boolean
}

const timeIsOver = 'the time that the upgrade gives for a rewind is over'

/** A clock's timers take no longer wait. */
const waitMsMax = 2 ** 31 - 1

export class Recorder implements OperationKeeper {
  #current: OpenOperation | undefined
  /** The number of the next operation, and of those there are. */
  #next: number
  #count: number
  #bytes: number
  #isOver = false
  #cancel: () => void = () => {}

  constructor(
    private readonly services: RecorderServices,
    private readonly node: RecordedNode,
    readonly recording: Recording,
  ) {
    const { first, next } = numbersOf(services.journal, this.#nodeId, recording.target)
    this.#next = next
    this.#count = next - first
    this.#bytes = bytesBetween(services.journal, this.#nodeId, recording.target, first, next)
    this.#waitForEnd()
  }

  /** Whether it goes on with this recording: the one before may be another upgrade's. */
  records({ target }: Recording): boolean {
    return !this.#isOver && this.recording.target === target
  }

  /** The operation that runs now, if it is recorded, and is what asks. */
  get current(): OpenOperation | undefined {
    const current = this.#current
    return current !== undefined && isOf(current) ? current : undefined
  }

  /** A call begins. Undefined for one that is not recorded. */
  begin({ envelope, caller, isOfTimer }: BegunCall, kind: MethodKind): OpenOperation | undefined {
    this.#current = undefined
    if (this.#isOver || (kind === 'query' && !this.recording.queries)) return undefined
    const { label, method, args } = envelope
    this.#current = new OpenOperation(
      {
        ...{ label, method, args: pack(args, 'the arguments'), atMs: this.services.clock.now() },
        kind: isOfTimer ? 'timer' : envelope.kind === kinds.event ? 'event' : 'call',
        caller: isOfTimer ? undefined : caller,
      },
      this,
    )
    return this.#current
  }

  keep(operation: OpenOperation): void {
    this.drop(operation)
    if (this.#isOver) return
    const { recording, services, node } = this
    const encoded = operation.encoded(this.#bytes)
    if (operation.isTooLarge) this.end('an operation was too large to be recorded')
    else if (services.clock.now() >= recording.untilMs) this.end(timeIsOver)
    else if (this.#count >= recording.operationsMax) this.end(`more than ${recording.operationsMax} operations since the flip`)
    else if (this.#bytes + encoded.length > recording.bytesMax)
      this.end(`more than ${recording.bytesMax} bytes of operations since the flip`)
    else {
      node.state.write(keys.operation(this.#nodeId, recording.target, this.#next), encoded)
      this.#next++
      this.#count++
      this.#bytes += encoded.length
    }
  }

  drop(operation: OpenOperation): void {
    if (this.#current === operation) this.#current = undefined
  }

  /** The object stops: its node goes on recording when it starts again. */
  stop(): void {
    this.#cancel()
    this.#current = undefined
    this.#isOver = true
  }

  /** More versions are final: nobody goes back from those, but by a rewind that was installed before. */
  versionsOver(history: Pick<UpgradeHistory, 'final' | 'heard' | 'newest' | 'undoOf'>): void {
    const { target } = this.recording
    const mayBeRewound = history.newest < history.heard || history.undoOf(target) !== null
    if (history.final >= target && !mayBeRewound) this.#endBetweenCalls(`version ${target} is final`)
  }

  /**
   * Nobody can go back any more. Keeps the reason, and sweeps what was kept. To be called in a turn of the
   * mailbox.
   */
  end(reason: string): void {
    if (this.#isOver) return
    this.stop()
    const { node, services } = this
    const { recordStore } = node
    recordStore.write(recordingEnded(recordStore.record, reason))
    node.recordingEnded()
    void sweepRecordings({ recordStore, services })
  }

  /** Not while an upgrade moves the node's record. */
  #endBetweenCalls(reason: string): void {
    this.node.mailbox
      .turn(() => this.end(reason))
      .catch((error) => {
        this.services.observe({ type: 'warning', message: `${this.#nodeId}: its recording has not ended`, error })
      })
  }

  #waitForEnd(): void {
    const { clock } = this.services
    const leftMs = this.recording.untilMs - clock.now()
    this.#cancel = clock.after(Math.max(0, Math.min(leftMs, waitMsMax)), () => {
      if (clock.now() >= this.recording.untilMs) this.#endBetweenCalls(timeIsOver)
      else this.#waitForEnd()
    })
  }

  get #nodeId(): string {
    return this.node.recordStore.record.nodeId
  }
}

/** Of the operations that are there, which follow each other. */
export function numbersOf(journal: Journal, nodeId: string, target: number): { readonly first: number; readonly next: number } {
  for (const [key] of journal.range(...keys.operations(nodeId, target))) {
    const first = numberOfKey(key)
    const isThere = (number: number) => journal.get(keys.operation(nodeId, target, number)) !== undefined
    let [there, missing] = [first, first + 1]
    while (isThere(missing)) [there, missing] = [missing, 2 * missing - first + 1]
    while (missing - there > 1) {
      const middle = Math.floor((there + missing) / 2)
      if (isThere(middle)) there = middle
      else missing = middle
    }
    return { first, next: missing }
  }
  return { first: 0, next: 0 }
}

function bytesBetween(journal: Journal, nodeId: string, target: number, first: number, next: number): number {
  if (next === first) return 0
  const last = journal.get(keys.operation(nodeId, target, next - 1))!
  return decodeOperation(last).bytesBefore + last.length
}
