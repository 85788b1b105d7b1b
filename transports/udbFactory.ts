import { Fault } from '../core/base/fault.js'
import type { Level } from '../core/base/level.js'
import type { UpgradeDatabase } from '../core/control/upgradeDatabase.js'
import type { Clock } from '../core/ports/clock.js'
import { bundleBytesMax } from '../core/upgrade/manifest.js'
import type { ConnectionFacts } from './factory.js'

/** The `udb` that a host is given: the same factory serves every host of a process. */
export interface UdbFactory {
  /**
   * Opens the database of one system. Rejects with `unavailable.disconnected` when it can't be reached.
   * `tell` hears once of each thing there that makes no sense and is ignored.
   */
  open(system: string, clock: Clock, tell?: (message: string) => void): Promise<UpgradeDatabase>
  /** Left out: nothing is known. */
  readonly facts?: ConnectionFacts
  /**
   * T2. The level at version 0. Left out: what release 0.1.0 reads, which may be there. Nothing of an earlier
   * release is in the memory of a process.
   */
  readonly level?: Level
}

/**
 * A node without a directory is left out of `nodes()` as soon as its lease has run out, but
 * stays registered for this long: a host that was cut off from the database for a while brings
 * its nodes back with the next report.
 */
export const lapsedKeptMs = 24 * 3_600_000

/**
 * How long it is known that an operator has forgotten a node: a host that was cut off for
 * longer registers it again.
 */
export const forgottenKeptMs = 30 * 24 * 3_600_000

/** How long an upgrade server counts after it was heard last: every two seconds, or more often. */
export const serverKeptMs = 15_000

/**
 * How long chunks of a bundle stay that no installed manifest names, after the last of them; how many such
 * bundles, and of how many bytes.
 */
export const stagedMs = 10 * 60_000
export const stagedBundlesMax = 64
export const stagedBytesMax = 4 * bundleBytesMax

/** The fault that a publisher is given then. */
export function tooMuchStaged(bundles: number, bytes: number): Fault {
  const found = `${bundles} bundles of ${bytes} bytes wait for a manifest that names them, of ${stagedBundlesMax} and ${stagedBytesMax} at most`
  const advice = `each is removed ${stagedMs / 60_000} minutes after its last chunk: publish then`
  return new Fault('unavailable.overloaded', `${found}; ${advice}`, { bundles, bytes })
}

/** A refused claim names at most so many holders, the first by node id: thousands of nodes may be asking. */
export const heldByMax = 100
