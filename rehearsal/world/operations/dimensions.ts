/**
 * Dimensions of a plan, beside the basic troubles. Each one adds steps, drawn from chance of its own, so that
 * one more leaves the steps of the others as they are.
 */

/** `always`: in the plans of every run. `asked`: only where a run asks for it by name. */
export const dimensions = {
  /**
   * Hosts that stop while nodes start, clients that stop with open calls, single nodes that
   * stop and start again.
   */
  stops: 'always',
  /** Wall clocks that are set back or forward by hours. */
  clocks: 'always',
  /** Processes that are stopped and continued, and know nothing of it. */
  freezes: 'always',
  /** Hosts that are frozen while their nodes are started elsewhere: from a copy of their state, or anew. */
  moves: 'always',
  /** The same with a copy that is made while the host has its state directory open. */
  hotCopies: 'always',
  /**
   * Orders while upgrade servers die between two requests to the database, and orders that
   * somebody sends again.
   */
  orders: 'always',
  /** Hosts that restart while nodes are held, paused or stalled; in the end all restart. */
  restarts: 'always',
  /** The upgrade database is emptied, restored, fails over without its newest writes, or restarts. */
  databaseLosses: 'always',
  /**
   * Versions die while clients are pinned to them or to others, and the upgrade database is
   * away for longer than a lease.
   */
  pins: 'always',
  /** The transport does not let a host listen for calls of its nodes, until its permissions are corrected. */
  refusals: 'asked',
  /**
   * Hosts that move to a copy of their state while the upgrade database loses data: who has the
   * nodes may be lost with the rest.
   */
  lostMoves: 'always',
  /** A ledger and a teller of one host are a group: they go through every version together. */
  groups: 'always',
  /** Undos that are rewinds: nodes restore the state of before the flip, and do again what was done since. */
  rewinds: 'always',
  /** The upgrade database loses data while nodes are away, or stalled and asked to try again. */
  midwayLosses: 'always',
  /** Other upgrades come between an upgrade and its undo. */
  laterUndos: 'always',
  /**
   * Sharded services: shards with their logs, and hosts that own some, lose them, stand still, and come back
   * with old copies.
   */
  shards: 'always',
} as const satisfies Readonly<Record<string, 'always' | 'asked'>>

export type Dimension = keyof typeof dimensions

export const names = Object.keys(dimensions) as Dimension[]

export const always: ReadonlySet<Dimension> = new Set(names.filter((name) => (dimensions[name] as string) === 'always'))

/** Those of every run, and those of this list, as in `stops,clocks`. Throws for a name that none has. */
export function dimensionsOf(list: string): ReadonlySet<Dimension> {
  const asked = list === 'all' ? names : list.split(',').filter((name) => name !== '')
  for (const name of asked)
    if (!(name in dimensions)) throw new Error(`there is no dimension ${name}: use ${names.join(', ')}, or all`)
  return new Set([...always, ...(asked as Dimension[])])
}
