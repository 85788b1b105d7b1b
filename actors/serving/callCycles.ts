/**
 * Two nodes that wait for each other. Each is busy with a call that waits for the other node, and holds what
 * the other one asks of it: both would wait until a deadline. A node finds this by itself. It has a call that
 * waits for its turn, and that call's path names the nodes which wait for it. It knows the calls that its
 * running call has made, too. If one of those went to one of these nodes, nobody goes on.
 *
 * The answer to that call may be on its way, so a cycle counts once it was seen twice. Then the node with the
 * lesser id refuses the call that waits (`protocol.call-cycle`), and one look later the other one does.
 */
import { Fault } from '../../core/base/fault.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'
import { isOfShard } from '../../core/wire/subjects.js'
import type { CallMade } from '../calls/runningCall.js'
import { type TimerWheel, WheelEntry } from '../timerWheel.js'
import { IncomingCall } from './incomingCall.js'
import type { Turn } from './mailbox.js'

/** Between two looks at a call that waits. */
export const cycleLookMs = 250
/** Incarnations from here on are those towards another system: nodes there may have the same names. */
const abroadMin = 2 ** 32

/** The node at which the call waits. */
export interface WaitedForNode {
  readonly id: string
  /** The turn of the mailbox that runs now. */
  readonly turn: Turn | undefined
  /** The subject of a node of the system. */
  subjectOf(nodeId: string): string
  monotonicMs(): number
  readonly wheel: TimerWheel
}

/** Looks at the call for as long as it waits. */
export function watchForCycle(node: WaitedForNode, call: IncomingCall): void {
  const waiting = nodesThatWait(call.envelope)
  if (waiting.length > 0) node.wheel.set(new WatchedForCycle(node, call, waiting), node.monotonicMs() + cycleLookMs)
}

class WatchedForCycle extends WheelEntry {
  #seen: CallMade | undefined
  #times = 0

  constructor(
    private readonly node: WaitedForNode,
    private readonly call: IncomingCall,
    private readonly waiting: readonly string[],
  ) {
    super()
  }

  override due(): void {
    const { node, call } = this
    if (!call.isWaiting || call.isRefused) return
    const now = node.monotonicMs()
    if (now >= call.deadline) return
    const found = this.#found()
    this.#times = found !== undefined && found.made === this.#seen ? this.#times + 1 : 1
    this.#seen = found?.made
    if (found !== undefined && this.#times > (node.id < found.other ? 1 : 2)) {
      call.refuse(cycleFault(node.id, found.turn.envelope.method, found.other, found.made.call.method))
      return
    }
    node.wheel.set(this, now + cycleLookMs)
  }

  /** A call of the running turn to a node that waits for the call at which this looks. */
  #found(): { readonly turn: IncomingCall; readonly made: CallMade; readonly other: string } | undefined {
    const { turn } = this.node
    if (!(turn instanceof IncomingCall)) return undefined
    for (const made of turn.callsMade) {
      const other = this.waiting.find((id) => isTo(made.call.subject, id, this.node.subjectOf(id)))
      if (other !== undefined) return { turn, made, other }
    }
    return undefined
  }
}

/**
 * The nodes whose running calls wait for this one: its caller, and all that wait for that in turn. None where
 * its path leads through another system.
 */
function nodesThatWait({ path, caller, incarnation }: CallEnvelope): readonly string[] {
  if (path === null || path.length === 0) return []
  const callers = path.map((entry) => entry.split('/', 2) as [string, string])
  if (incarnation >= abroadMin || callers.some(([, life]) => Number(life) >= abroadMin)) return []
  // The first call was made by somebody outside, or by a turn that is no call.
  return [caller, ...callers.slice(1).map(([name]) => name)]
}

function isTo(subject: string, nodeId: string, subjectOfNode: string): boolean {
  return subject === subjectOfNode || (isOfShard(subject) && subject.endsWith(`.${nodeId}`))
}

function cycleFault(id: string, running: string, other: string, method: string): Fault {
  const message = `nodes ${id} and ${other} wait for each other: ${id} is busy with ${running}, which has called ${method} of ${other}`
  return new Fault('protocol.call-cycle', message, { nodes: [id, other] })
}
