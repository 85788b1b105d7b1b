/** How many nodes of a service may be away at once. */

/**
 * At most so many nodes of a service not serving at once: a count, a share of the registered nodes (rounded
 * down, at least one), or both, and then the smaller holds.
 */
export interface ServiceLimit {
  readonly nodes?: number
  readonly percent?: number
}

/** A quarter, as other rollout tools have it. */
export const defaultServiceLimit: ServiceLimit = { percent: 25 }

export function permitsAllowed({ nodes, percent }: ServiceLimit, registered: number): number {
  const share = percent === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor((registered * percent) / 100))
  return Math.min(nodes ?? Number.POSITIVE_INFINITY, share)
}

/** All of these hold. */
export function strictestLimit(limits: readonly ServiceLimit[]): ServiceLimit {
  const least = (values: (number | undefined)[]) => {
    const given = values.filter((value) => value !== undefined)
    return given.length === 0 ? undefined : Math.min(...given)
  }
  const nodes = least(limits.map((limit) => limit.nodes))
  const percent = least(limits.map((limit) => limit.percent))
  return { ...(nodes === undefined ? {} : { nodes }), ...(percent === undefined ? {} : { percent }) }
}

/** As much of a schedule as limits how many nodes are away. */
export interface LimitedSchedule {
  readonly limit?: ServiceLimit
  /** Left out: the host's limit holds beside the schedule's. */
  readonly takesAll?: true
}

/** How many nodes of a service may be away for an upgrade with this schedule. */
export function limitOf(ofHost: ServiceLimit, { limit = {}, takesAll }: LimitedSchedule): ServiceLimit {
  return strictestLimit([takesAll === true ? { percent: 100 } : ofHost, limit])
}
