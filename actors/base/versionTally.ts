/** The outcomes of the calls of one version on a node since it started there. */
import type { Version } from '../../core/base/ids.js'
import type { Tally } from '../../core/model/objectChain.js'

export class VersionTally {
  constructor(readonly version: Version) {}

  /** Calls that the object answered by itself. */
  readonly own: Tally = { calls: 0 }
  /** Calls that went through simulation objects. */
  readonly simulated: Tally = { calls: 0 }
  /** Calls that a simulation object refused. */
  refused = 0
  /** Calls that ended with another fault, or came too late. */
  failed = 0

  add({ own, simulated, refused, failed }: VersionTally): void {
    this.own.calls += own.calls
    this.simulated.calls += simulated.calls
    this.refused += refused
    this.failed += failed
  }

  get calls(): number {
    return this.own.calls + this.simulated.calls
  }
}
