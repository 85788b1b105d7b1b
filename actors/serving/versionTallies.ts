/** How a node's calls have ended, by the version that they are labelled with. */
import type { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { VersionTally } from '../base/versionTally.js'

export class VersionTallies {
  /** Added to and never changed: who looks meanwhile goes on with what was there. */
  all: readonly VersionTally[] = []

  of(version: Version): VersionTally {
    const known = this.all.find((each) => each.version === version)
    if (known !== undefined) return known
    const tally = new VersionTally(version)
    this.all = this.all.concat(tally)
    return tally
  }

  /** `fault` is undefined for a call whose deadline had come before its turn. */
  countFailure(version: Version, fault: Fault | undefined): void {
    const tally = this.of(version)
    if (fault?.kind === 'simulation') tally.refused++
    else tally.failed++
  }
}
