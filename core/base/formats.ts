/**
 * T1. Everything that two processes or two runs share has a format number. This table says which numbers this
 *     release reads, and the newest that it can write. All that check a format ask here.
 *
 * T5. A release reads every number since 0.1.0: `oldest` never rises.
 *
 * A new number goes into this table and into docs/protocol.md ("Format numbers"). Its writer asks the
 * system's level (core/base/level.ts): it writes no number above it.
 */

/** The release that this code becomes. Rows and refusals name it. */
export const release = '0.2.0'

/** The release whose rows say nothing of formats. */
export const firstRelease = '0.1.0'

export interface FormatNumbers {
  readonly oldest: number
  /** The newest that this release reads. It can write it too. */
  readonly newest: number
  /** The newest that release 0.1.0 reads. The level of a system begins there. */
  readonly first: number
}

export const formats = {
  /** Messages between processes. 2: a call says from which system and host it comes. */
  envelope: { oldest: 1, newest: 2, first: 1 },
  /** A node's record on disk. 2: slots whose records are made lazily. */
  record: { oldest: 1, newest: 2, first: 2 },
  /**
   * 2: the identity of a trust root. 3: its release, the system's level, undos of any version. 4: promises,
   * which upgrade servers guard.
   */
  manifest: { oldest: 1, newest: 4, first: 1 },
  /** 2: the head and the log that it was made for. 3: the identity of a trust root. */
  directive: { oldest: 1, newest: 3, first: 1 },
  /** The names and methods that a bundle finds in its host. 2: `this.caller` and `allow`. */
  runtime: { oldest: 1, newest: 2, first: 1 },
  /** The upgrade database. Release 0.1.0 passes over the additions of 2. */
  layout: { oldest: 1, newest: 2, first: 2 },
  /** Entries of the audit. Release 0.1.0 passes them over. */
  audit: { oldest: 1, newest: 1, first: 1 },
  /** Recorded operations, and the report of a rewind, on a host's disk. Release 0.1.0 passes them over. */
  rewind: { oldest: 1, newest: 1, first: 1 },
  /** A node's recent contacts, a cache on a host's disk. Release 0.1.0 passes it over. */
  contacts: { oldest: 1, newest: 1, first: 1 },
  /** The word of a host about the shards that it has and would take. Release 0.1.0 does not hear it. */
  offer: { oldest: 1, newest: 1, first: 1 },
  /** Promotions, and changes of a rollout's pace, among the controls. Release 0.1.0 passes them over. */
  pace: { oldest: 1, newest: 1, first: 1 },
  /** The members of a group of nodes, on a host's disk. Release 0.1.0 passes them over. */
  group: { oldest: 1, newest: 1, first: 1 },
  /** A node that moves between a host and a shard: on disk, and between hosts. Release 0.1.0 moves none. */
  move: { oldest: 1, newest: 1, first: 1 },
  /** Entries of a log: of a local store's, and of a shard's. Release 0.1.0 has no logs. */
  log: { oldest: 1, newest: 1, first: 1 },
  /** The directory of a host's state. 2: a log in files before LMDB. */
  store: { oldest: 1, newest: 2, first: 1 },
} as const satisfies Record<string, FormatNumbers>

export type FormatName = keyof typeof formats

/** Documents that people hand on. A system has no level for them: their reader is chosen by hand. */
export const fileFormats = {
  trustRoot: { oldest: 1, newest: 1 },
  /** Several signatures of one document. */
  signatures: { oldest: 1, newest: 1 },
  upgrade: { oldest: 1, newest: 1 },
  order: { oldest: 1, newest: 1 },
  history: { oldest: 1, newest: 1 },
  backup: { oldest: 1, newest: 1 },
  /** A copy of state: of a directory, or of a sharded service. */
  stateCopy: { oldest: 1, newest: 1 },
  /** Calls of a running service, as `natsctl record` keeps them. */
  recordedCalls: { oldest: 1, newest: 1 },
} as const satisfies Record<string, Omit<FormatNumbers, 'first'>>

/** Data that one process keeps for itself. Nobody else reads them, so a system has no level for them. */
export const localFormats = {
  /** The upgrade database of an embedded system, beside the state of its nodes. */
  embedded: { oldest: 1, newest: 1 },
} as const satisfies Record<string, Omit<FormatNumbers, 'first'>>

export function isRead({ oldest, newest }: Omit<FormatNumbers, 'first'>, number: unknown): number is number {
  return typeof number === 'number' && Number.isInteger(number) && number >= oldest && number <= newest
}

/** For a fault: `1 to 3`. */
export function numbersRead({ oldest, newest }: Omit<FormatNumbers, 'first'>): string {
  return oldest === newest ? String(oldest) : `${oldest} to ${newest}`
}
