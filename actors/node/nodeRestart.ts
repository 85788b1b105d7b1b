/**
 * A node that has crashed comes back from what is on disk: it closes, forgets its object, and
 * starts it until that succeeds.
 */

import { reasonOf } from '../../core/base/fault.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Random } from '../../core/ports/random.js'
import type { HostSettings } from '../base/settings.js'
import { backoffMs, sleep } from '../base/timeouts.js'
import type { NodeRecordStore } from '../software/nodeRecordStore.js'
import type { NodeSoftware } from '../software/nodeSoftware.js'

/** Of its host, for a restart. */
export interface RestartServices {
  readonly clock: Clock
  readonly settings: HostSettings
  readonly random: Random
}

/** The parts of its node that a restart needs. */
export interface RestartingNode {
  readonly services: RestartServices
  readonly recordStore: NodeRecordStore
  readonly software: NodeSoftware
  /** It leaves or has stopped: nobody waits for its object. */
  readonly isEnding: boolean
  close(): Promise<void>
  report(phase: 'failed', target: null, reason: string): void
  /** Its object runs again, as it is on disk; or it ends. */
  restarted(): void
}

/** Made when a node crashes for the first time: most never do. */
export class NodeRestart {
  #running: Promise<void> | undefined
  #endedAtMs = Number.NEGATIVE_INFINITY
  #crashesInARow = 0

  constructor(private readonly node: RestartingNode) {}

  get isRunning(): boolean {
    return this.#running !== undefined
  }

  begin(): void {
    this.#running ??= this.#restart()
  }

  /** Resolves when none is running. */
  async ended(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Until the object starts: nothing else can be done. */
  async #restart(): Promise<void> {
    const { node } = this
    const { clock, settings, random } = node.services
    await node.close()
    node.software.discard()
    // A disk that is still full would be tried again and again at once.
    this.#crashesInARow = clock.monotonicMs() - this.#endedAtMs < settings.backoffMsMax ? this.#crashesInARow + 1 : 0
    if (this.#crashesInARow > 0)
      await sleep(clock, backoffMs(this.#crashesInARow - 1, settings.backoffMs, settings.backoffMsMax, random.next()))
    for (let failures = 0; !node.isEnding; failures++) {
      try {
        node.software.discard()
        node.recordStore.reload()
        await node.software.start()
        break
      } catch (error) {
        node.report('failed', null, reasonOf(error))
        await sleep(clock, backoffMs(failures, settings.backoffMs, settings.backoffMsMax, random.next()))
      }
    }
    this.#running = undefined
    if (node.isEnding) return
    this.#endedAtMs = clock.monotonicMs()
    node.restarted()
  }
}
