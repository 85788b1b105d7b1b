/**
 * A whole history checked without a system: what an auditor does with an export, and natsctl
 * with the upgrade database.
 */
import { type Fault, isFault } from '../../core/base/fault.js'
import { type Verified, VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { checkTrust, type Trust } from '../../core/trust/trust.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import { nkeySignatures } from './nkeys.js'

export interface HistoryVerdict {
  /** The manifests that hold, from version 1 on, each with its digest. */
  readonly holds: readonly Verified[]
  /** The same, by version. */
  readonly history: VerifiedHistory
  /** Why the next one does not; undefined when all hold. */
  readonly fault: Fault | undefined
  /** The keys that may sign the version after those that hold; undefined: nobody has to. */
  readonly trusted: readonly string[] | undefined
}

/**
 * Checks that manifests follow each other from version 1 on, each signed by one who was trusted there. Throws
 * `config.invalid` for a wrong list.
 *
 * @param trust those who are trusted at version 0; undefined: nobody has to sign
 */
export function verifyHistory(system: string, trust: Trust | undefined, manifests: readonly SignedManifest[]): HistoryVerdict {
  const history = new VerifiedHistory(system, checkTrust(nkeySignatures, trust, system), nkeySignatures)
  const holds: Verified[] = []
  const verdict = (fault: Fault | undefined): HistoryVerdict => ({ holds, history, fault, trusted: history.trusted })
  for (const signed of manifests) {
    try {
      const verified = history.check(signed)
      history.append(verified)
      holds.push(verified)
    } catch (error) {
      if (!isFault(error)) throw error
      return verdict(error)
    }
  }
  return verdict(undefined)
}
