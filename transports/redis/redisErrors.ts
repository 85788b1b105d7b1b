/** The errors that Redis sends as its answers. */

/** An error that Redis sent as its answer, and that asking again would not change. */
export function isRefusal(thrown: unknown): thrown is Error {
  return thrown instanceof Error && thrown.name === 'ReplyError' && !isForAnother(thrown)
}

/**
 * The answer of a server that is not the primary, or can't write now: nothing was carried out. During a
 * fail-over, or while a slot moves, another one is, or will be.
 */
export function isForAnother(thrown: unknown): thrown is Error {
  if (!(thrown instanceof Error) || thrown.name !== 'ReplyError') return false
  return /^(READONLY|MOVED|ASK|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|LOADING|NOREPLICAS|UNBLOCKED)\b/.test(thrown.message)
}

/** Whether it has to be looked for anew where the primary is. */
export function isFromNoPrimary(thrown: Error): boolean {
  return /^(READONLY|MOVED|CLUSTERDOWN|MASTERDOWN)\b/.test(thrown.message)
}
