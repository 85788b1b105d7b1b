/** A node as the code of its host sees it: what it runs, when it has reached a version, and its end. */
import { type Duration, milliseconds } from '../../core/base/duration.js'
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { Phase } from '../../core/base/phases.js'
import type { RecordsUnmade } from '../../core/model/nodeRow.js'
import type { Link } from '../../core/model/objectChain.js'
import type { Clock } from '../../core/ports/clock.js'
import { within } from '../base/timeouts.js'
import type { Node } from './node.js'

export type ChainEntry = Pick<Link, 'version' | 'className' | 'role'>

/** A member of a group as its host's code sees it: it ends with its group. */
export interface MemberHandle {
  readonly id: string
  readonly version: Version
  readonly className: string
  readonly phase: Phase
  /** The classes that answer each version, oldest first. */
  readonly chain: readonly ChainEntry[]
  /** Records that its lazy transform has still to make (§8); null: none. */
  readonly records: RecordsUnmade | null
  /**
   * Resolves when the node serves at `version` or past it. Rejects with `upgrade.*` when the
   * upgrade on the way there is stalled or rejected, with the reason, and with
   * `timeout.deadline` after `timeout` (one minute by default).
   */
  reached(version: Version, options?: { readonly timeout?: Duration }): Promise<void>
  /** Lets a stalled or rejected upgrade of this node try again; that of a member takes its group along. */
  retry(): void
}

/** A node as its host's code sees it. */
export interface NodeHandle extends MemberHandle {
  /** Ends the node on this host; its state and its registration stay. */
  stop(): Promise<void>
}

export class RunningMember implements MemberHandle {
  readonly #node: Node
  readonly #clock: Clock

  constructor(node: Node, clock: Clock) {
    this.#node = node
    this.#clock = clock
  }

  get id(): string {
    return this.#node.id
  }

  get version(): Version {
    const { software, runs } = this.#node
    return software.hasChain ? software.chain.version : runs.version
  }

  get className(): string {
    const { software, runs } = this.#node
    return software.hasChain ? software.chain.object.className : runs.className
  }

  get phase(): Phase {
    return this.#node.phase
  }

  get records(): RecordsUnmade | null {
    return this.#node.status.records
  }

  get chain(): readonly ChainEntry[] {
    const { software } = this.#node
    const links = software.hasChain ? software.chain.links : []
    return links.map(({ version, className, role }) => ({ version, className, role }))
  }

  reached(version: Version, { timeout = '60s' }: { readonly timeout?: Duration } = {}): Promise<void> {
    const node = this.#node
    const timeoutMs = milliseconds(timeout)
    const arrived = new Promise<void>((resolve, reject) => {
      node.status.follow(() => {
        const { phase, reason } = node.status
        const { version: reached } = node.runs
        if (phase === 'current' && reached >= version) resolve()
        else if (phase === 'stalled' || phase === 'rejected') {
          reject(new Fault('upgrade.unreached', `node ${node.id} is ${phase} on its way to version ${reached + 1}: ${reason}`))
        } else return false
        return true
      })
    })
    const late = () =>
      new Fault('timeout.deadline', `node ${node.id} has not reached version ${version} in ${timeoutMs} ms: it is ${node.phase}`)
    return within(this.#clock, timeoutMs, arrived, late)
  }

  retry(): void {
    this.#node.manager.retry()
  }
}

export class RunningNode extends RunningMember implements NodeHandle {
  readonly #node: Node
  readonly #stopped: () => void

  /** @param stopped called when it has been stopped through this handle */
  constructor(node: Node, clock: Clock, stopped: () => void) {
    super(node, clock)
    this.#node = node
    this.#stopped = stopped
  }

  async stop(): Promise<void> {
    await this.#node.stop()
    this.#stopped()
  }
}
