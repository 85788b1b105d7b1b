/**
 * The reports of the world's objects beside the wire, as a person in the room would see it:
 * which operation begins and ends on which node. Owns the check of C2, and the troubles that a
 * plan's upgrades make until the world is healed.
 *
 * C2. Between the beginning and the end of an operation on a node, no other begins there, but those that are
 * made for it: these run inside it, and it lasts until they have ended.
 */
import type { Version } from 'theseus-actors'
import { earlyOf, isMadeFor } from './code/operationIds.js'
import type { Trouble } from './plan.js'

/** The parts of the world that the oracle needs. */
export interface ExecutionOracleContext {
  /** Whether the process that runs this node is alive: what a dead one still does did not happen. */
  isAlive(nodeId: string): boolean
  /** An operation begins on a node that is alive. */
  begins(nodeId: string, op: string): void
  /** An operation begins on a node for one that runs on another. */
  calls?(by: string, nodeId: string): void
  /** So many operations run on a node now. */
  runs(nodeId: string, count: number): void
  /** The scheduling function of an upgrade has signalled on its node. */
  signalled(nodeId: string, version: Version): void
  /** Passes this much time in the node's process. Never ends if that is killed. */
  pause(nodeId: string, ms: number): Promise<void>
  violated(rule: string, what: string): void
  /** A node's timer has come. */
  ticked(nodeId: string): void
  /** A call that runs there does not end before the troubles are over. */
  hangs(nodeId: string): void
}

export class ExecutionOracle {
  /** False as long as the plan's troubles last. */
  isHealed = false
  readonly #running = new Map<string, string[]>()
  /** That for which all is made that runs on a node. */
  readonly #outer = new Map<string, string>()
  readonly #begun = new Map<string, number>()
  /** How often each node has moved away from a process that goes on, and what had begun there before. */
  readonly #moves = new Map<string, number>()
  readonly #beganBefore = new Map<string, number>()
  /** The operations on a node that moves, in the process that it leaves. */
  readonly #left = new Map<string, string>()
  readonly #troubled = new Set<string>()

  readonly #replaying = new Set<string>()

  constructor(private readonly world: ExecutionOracleContext) {}

  /** Whether what the node does now has been done before: it is carried out again, and nobody is told. */
  replays(nodeId: string, isReplaying: boolean): void {
    if (isReplaying) this.#replaying.add(nodeId)
    else this.#replaying.delete(nodeId)
  }

  begins(nodeId: string, op: string): void {
    if (this.#replaying.has(nodeId)) return
    if (!this.world.isAlive(nodeId) || this.#isElsewhere(nodeId, op)) return
    this.world.begins(nodeId, op)
    for (const [other, outer] of this.#outer)
      if (other !== nodeId && this.#runningOn(other).length > 0 && isMadeFor(op, outer)) this.world.calls?.(other, nodeId)
    const running = this.#runningOn(nodeId)
    // An SO's operation continues in the next object: the same one again.
    if (running.length === 0) this.#outer.set(nodeId, op)
    else if (!isMadeFor(op, this.#outer.get(nodeId)!)) {
      this.world.violated('C2', `${op} begins on ${nodeId} while ${running.join(', ')} runs there`)
    }
    if (!running.includes(op)) this.#begun.set(`${nodeId} ${op}`, this.begun(nodeId, op) + 1)
    this.world.runs(nodeId, running.push(op))
  }

  ends(nodeId: string, op: string): void {
    if (this.#replaying.has(nodeId)) return
    if (!this.world.isAlive(nodeId)) return
    const running = this.#runningOn(nodeId)
    const at = running.lastIndexOf(op)
    if (at < 0) return
    running.splice(at, 1)
    this.world.runs(nodeId, running.length)
  }

  violated(rule: string, what: string): void {
    this.world.violated(rule, what)
  }

  ticked(nodeId: string): void {
    if (this.#replaying.has(nodeId)) return
    if (this.world.isAlive(nodeId)) this.world.ticked(nodeId)
  }

  /** How often an operation was begun on a node. */
  begun(nodeId: string, op: string): number {
    return this.#begun.get(`${nodeId} ${op}`) ?? 0
  }

  /** The node's process is gone: what ran there runs no more. */
  died(nodeId: string): void {
    this.#replaying.delete(nodeId)
    this.#running.delete(nodeId)
  }

  /**
   * Another process is to have the node. Until it has, what runs goes on where it is, and calls that are made
   * for it run inside it.
   */
  moves(nodeId: string): void {
    if (this.#runningOn(nodeId).length > 0) this.#left.set(nodeId, this.#outer.get(nodeId)!)
    this.died(nodeId)
  }

  /** Another process has the node now. In the one before, what runs may go on: all that it does is lost. */
  moved(nodeId: string): void {
    this.died(nodeId)
    this.#left.delete(nodeId)
    this.#moves.set(nodeId, (this.#moves.get(nodeId) ?? 0) + 1)
  }

  /** Whether it is a part of what has begun where the node was before. */
  #isElsewhere(nodeId: string, op: string): boolean {
    const moves = this.#moves.get(nodeId) ?? 0
    const key = `${nodeId} ${earlyOf(op)}`
    const before = this.#beganBefore.get(key)
    const left = this.#left.get(nodeId)
    if (left !== undefined && isMadeFor(op, left)) return true
    if (before === undefined) this.#beganBefore.set(key, moves)
    return before !== undefined && before < moves
  }

  signalled(nodeId: string, version: Version): void {
    this.world.signalled(nodeId, version)
  }

  pause(nodeId: string, ms: number): Promise<void> {
    return this.world.pause(nodeId, ms)
  }

  /**
   * Makes the trouble that is planned for a function of an upgrade. `what` names the function
   * among all others.
   */
  trouble(trouble: Trouble, nodeId: string, what: string): void | Promise<void> {
    switch (trouble) {
      case 'none':
        return
      case 'slow':
        return this.world.pause(nodeId, 150)
      case 'throwsOnce': {
        const key = `${nodeId} ${what}`
        if (this.#troubled.has(key)) return
        this.#troubled.add(key)
        throw new Error(`the first ${what} fails`)
      }
      case 'throwsUntilHealed':
        if (!this.isHealed) throw new Error(`${what} fails`)
        return
      case 'hangsUntilHealed':
        return this.hang(nodeId)
      case 'throwsForGood':
        throw new Error(`${what} fails for good`)
    }
  }

  hangInCall(nodeId: string): Promise<void> {
    if (this.world.isAlive(nodeId) && !this.isHealed) this.world.hangs(nodeId)
    return this.hang(nodeId)
  }

  /** Until the troubles are over. */
  async hang(nodeId: string): Promise<void> {
    while (!this.isHealed) await this.world.pause(nodeId, 500)
  }

  #runningOn(nodeId: string): string[] {
    let running = this.#running.get(nodeId)
    if (running === undefined) {
      running = []
      this.#running.set(nodeId, running)
    }
    return running
  }
}
