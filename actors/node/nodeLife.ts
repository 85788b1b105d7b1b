/**
 * A node's life: one state at a time, and a name for each way from one to the next.
 *
 * | state      | it is so                                     | a call                               |
 * | ---------- | -------------------------------------------- | ------------------------------------ |
 * | starting   | until it serves for the first time           | waits until the mailbox opens        |
 * | serving    | its object answers                           | takes its turn                       |
 * | upgrading  | an upgrade has its object, from the drain on | waits until the mailbox opens        |
 * | restarting | its object is made anew from disk            | waits until the mailbox opens        |
 * | behind     | its version is dead, and it has to upgrade   | is refused: `unavailable.upgrading`  |
 * | leaving    | it is about to stop                          | takes its turn, or is refused (below) |
 * | stopped    | nothing of it goes on                        | is refused: `unavailable.stopped`    |
 *
 * | way                  | from                               | to              |
 * | -------------------- | ---------------------------------- | --------------- |
 * | `serve`              | starting, serving, behind          | serving, behind |
 * | `fallBehind`         | serving                            | behind          |
 * | `upgrade`            | starting, serving, behind          | upgrading       |
 * | `serveAfterUpgrade`  | upgrading                          | serving, behind |
 * | `crash`              | starting, serving, behind          | restarting      |
 * | `crashInUpgrade`     | upgrading                          | restarting      |
 * | `serveAfterRestart`  | restarting                         | serving, behind |
 * | `leave`              | all but leaving and stopped        | leaving         |
 * | `stop`               | all but stopped                    | stopped         |
 *
 * A node that leaves takes calls that are made for other calls; others are refused with
 * `unavailable.stopped`. A call of a stopped node that another host has is not answered.
 *
 * A way that is asked for in another state is not taken, and the asker hears so. An upgrade or a
 * restart that ends late calls no node back that leaves or has stopped.
 */
export type LifeState = 'starting' | 'serving' | 'upgrading' | 'restarting' | 'behind' | 'leaving' | 'stopped'

const ways = {
  serve: ['starting', 'serving', 'behind'],
  fallBehind: ['serving'],
  upgrade: ['starting', 'serving', 'behind'],
  serveAfterUpgrade: ['upgrading'],
  crash: ['starting', 'serving', 'behind'],
  crashInUpgrade: ['upgrading'],
  serveAfterRestart: ['restarting'],
  leave: ['starting', 'serving', 'upgrading', 'restarting', 'behind'],
  stop: ['starting', 'serving', 'upgrading', 'restarting', 'behind', 'leaving'],
} as const satisfies Record<string, readonly LifeState[]>

export class NodeLife {
  #state: LifeState = 'starting'
  /** From then on another host answers for this node. By the clock that never goes back. */
  #elsewhereFromMs: number | undefined

  get state(): LifeState {
    return this.#state
  }

  /** It leaves or has stopped: no upgrade of it goes on, and it does not serve again. */
  get isEnding(): boolean {
    return this.#state === 'leaving' || this.#state === 'stopped'
  }

  /** Another host takes the node over, or has it (`isElsewhere`). */
  get isTaken(): boolean {
    return this.#elsewhereFromMs !== undefined
  }

  isElsewhere(nowMs: number): boolean {
    return this.#elsewhereFromMs !== undefined && nowMs >= this.#elsewhereFromMs
  }

  serve(isAtDeadVersion: boolean): boolean {
    return this.#go('serve', isAtDeadVersion ? 'behind' : 'serving')
  }

  fallBehind(): boolean {
    return this.#go('fallBehind', 'behind')
  }

  upgrade(): boolean {
    return this.#go('upgrade', 'upgrading')
  }

  serveAfterUpgrade(isAtDeadVersion: boolean): boolean {
    return this.#go('serveAfterUpgrade', isAtDeadVersion ? 'behind' : 'serving')
  }

  crash(): boolean {
    return this.#go('crash', 'restarting')
  }

  crashInUpgrade(): boolean {
    return this.#go('crashInUpgrade', 'restarting')
  }

  serveAfterRestart(isAtDeadVersion: boolean): boolean {
    return this.#go('serveAfterRestart', isAtDeadVersion ? 'behind' : 'serving')
  }

  leave(): boolean {
    return this.#go('leave', 'leaving')
  }

  stop(): boolean {
    return this.#go('stop', 'stopped')
  }

  /**
   * Another host serves this node from `ms` on, and has had all that arrives here. It answers: a
   * refusal from here would have the caller make its call once more. A call that still runs then
   * is not acknowledged.
   */
  markElsewhereFrom(ms: number): void {
    this.#elsewhereFromMs = ms
  }

  #go(way: keyof typeof ways, to: LifeState): boolean {
    if (!(ways[way] as readonly LifeState[]).includes(this.#state)) return false
    this.#state = to
    return true
  }
}
