/**
 * The history of a system, as far as it can be believed. Manifests come from Redis or from an upgrade server,
 * and anybody who may write there can write anything: they are read to be shown, and what is not verified is
 * said to be so. To be run, code needs more (`runnable.ts`).
 */

import type { Operator, Version } from 'theseus-actors'
import { type HistoryVerdict, verifyHistory } from 'theseus-actors/nkeys'
import { decodeManifest, digestOf, type Manifest, type SignedManifest, type Trusted } from 'theseus-actors/operator'
import { type Trust, trustedBy } from '../context/trust.js'
import { exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import type { Column } from '../output/forms.js'
import { note, oneLine } from '../output/output.js'

type VerifiedHistory = HistoryVerdict['history']

export interface KnownHistory {
  /** Of versions 1, 2, …, verified or not. */
  readonly manifests: readonly Manifest[]
  /** Of the newest of them; null where there is none. */
  readonly digest: string | null
  /** How many of them are verified, from version 1 on. */
  readonly verified: number
  /** The signers of each of those. */
  readonly by: readonly (readonly string[])[]
  /**
   * The keys that may sign the next one, of what is verified; undefined where nobody has to, or
   * no trust is given.
   */
  readonly trusted: Trusted | undefined
  /** Why not all are, in one line; undefined when they are. */
  readonly doubt: string | undefined
  /** Those that are verified. Throws why they can't be used, in one line, unless all are. */
  needed(what: string): VerifiedHistory
}

export const trustAdvice =
  'give --trust <keys>, set THESEUS_TRUST, or keep them with "natsctl context save <name> --trust <keys>"'

/**
 * The newest manifest by the database's word: those that are missing at the end would not be
 * missed otherwise.
 */
export interface ClaimedHead {
  readonly version: Version
  readonly digest: string | null
}

export function knownHistory(
  system: string,
  trust: Trust | undefined,
  signed: readonly SignedManifest[],
  head?: ClaimedHead,
): KnownHistory {
  const manifests = signed.map(({ bytes }) => decodeManifest(bytes))
  const digest = signed.length === 0 ? null : digestOf(signed.at(-1)!.bytes)
  const nothing = signed.length === 0 && (head === undefined || head.version === 0)
  if (trust === undefined && !nothing) return unverified(system, manifests, digest)
  const verdict = verifyHistory(system, trustedBy(trust), signed)
  const verified = verdict.holds.length
  const why = verdict.fault === undefined ? headFault(verdict, head) : `${verdict.fault.code}: ${verdict.fault.message}`
  const doubt = why === undefined ? undefined : oneLine(`${unverifiedVersions(verified, manifests.length, system)}: ${why}`)
  return {
    manifests,
    digest,
    verified,
    by: verdict.holds.map(({ by }) => by),
    trusted: verdict.history.trust,
    doubt,
    needed(what) {
      if (doubt === undefined) return verdict.history
      throw new Failure(exitCodes.error, oneLine(`${why}; ${what} runs only code that is verified`))
    },
  }
}

function unverified(system: string, manifests: readonly Manifest[], digest: string | null): KnownHistory {
  return {
    manifests,
    digest,
    verified: 0,
    by: [],
    trusted: undefined,
    doubt: `${unverifiedVersions(0, manifests.length, system)}: no upgraders are named; ${trustAdvice}`,
    needed(what) {
      throw usageFailure(
        `${what} runs code that is installed in system ${system}, and no upgraders are named who may have signed it: ${trustAdvice} (--trust nobody, where upgrades need no signature)`,
      )
    },
  }
}

function unverifiedVersions(verified: number, newest: number, system: string): string {
  const which =
    newest <= verified ? 'the history' : newest === verified + 1 ? `version ${newest}` : `versions ${verified + 1} to ${newest}`
  return `not verified: ${which} of system ${system}`
}

export function headFault({ holds }: HistoryVerdict, head: ClaimedHead | undefined): string | undefined {
  if (head === undefined) return undefined
  const digest = holds.at(-1)?.digest ?? null
  if (head.version === holds.length && head.digest === digest) return undefined
  return `upgrade.predecessor: the head of the upgrade database is version ${head.version}, ${head.digest}, which is not the last manifest there`
}

/** One line on stderr where something is shown that is not verified. */
export function printDoubt({ doubt }: Pick<KnownHistory, 'doubt'>): void {
  if (doubt !== undefined) note(doubt)
}

/** Of a table of versions. */
export function verifiedColumn(verified: Version): Column<{ readonly version: Version }> {
  return { title: 'VERIFIED', cell: ({ version }) => (version <= verified ? 'yes' : { text: 'no', style: 'yellow' }) }
}

/** For who looks again and again. */
export class DoubtNotice {
  #told: string | undefined

  tell({ doubt }: Pick<KnownHistory, 'doubt'>): void {
    if (doubt !== this.#told) printDoubt({ doubt })
    this.#told = doubt
  }
}

/** Reads the database again and again, and the manifests that are new there: a manifest never changes. */
export class HistoryReader {
  #signed: readonly SignedManifest[] = []
  #head: ClaimedHead = { version: 0, digest: null }
  #known: KnownHistory | undefined

  constructor(
    private readonly database: Pick<Operator['database'], 'head' | 'manifests'>,
    private readonly system: string,
    private readonly trust: Trust | undefined,
  ) {}

  async read(): Promise<{ readonly newest: Version; readonly history: KnownHistory }> {
    const { version, digest } = await this.database.head()
    if (this.#known !== undefined && version === this.#head.version && digest === this.#head.digest)
      return { newest: version, history: this.#known }
    if (version <= this.#signed.length) this.#signed = []
    const missing = version === 0 ? [] : await this.database.manifests(this.#signed.length + 1, version)
    this.#signed = [...this.#signed, ...missing]
    this.#head = { version, digest }
    this.#known = knownHistory(this.system, this.trust, this.#signed, this.#head)
    return { newest: version, history: this.#known }
  }
}

/** The same once, told of on stderr. */
export async function readHistory(
  database: Pick<Operator['database'], 'head' | 'manifests'>,
  system: string,
  trust: Trust | undefined,
): Promise<{ readonly newest: Version; readonly history: KnownHistory }> {
  const read = await new HistoryReader(database, system, trust).read()
  printDoubt(read.history)
  return read
}

/** The history by the word of an upgrade server, told of on stderr. */
export async function askHistory(
  operator: Pick<Operator, 'signedHistory'>,
  system: string,
  trust: Trust | undefined,
): Promise<KnownHistory> {
  const history = knownHistory(system, trust, await operator.signedHistory())
  printDoubt(history)
  return history
}
