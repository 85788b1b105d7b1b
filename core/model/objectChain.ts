/**
 * Which object answers which version (§5, Figure 1): past-SOs, the object, future-SOs. This file alone knows.
 *
 * C1. At most one object of the chain answers a version; exactly one where no cut lies between
 *     it and the object.
 * C5. A call through any version acts in the end on the one object of the chain.
 *
 * The steady state costs one array look-up per call.
 */

import type { Fault } from '../base/fault.js'
import type { Version } from '../base/ids.js'
import { invariant } from '../base/invariant.js'
import type { Rule } from './allow.js'
import type { MethodTable, Receiver } from './methodTable.js'

/**
 * `alias`: the upgrade leaves the class alone, or needs no SO: the neighbour nearer to the object answers.
 */
export type LinkRole = 'object' | 'pastSO' | 'futureSO' | 'alias'

export interface Link {
  readonly version: Version
  /** The class of the lineage at this version, whoever simulates it. */
  readonly className: string
  readonly role: LinkRole
  readonly methods: MethodTable
  /** The objects that carry the methods out, the object first. */
  readonly receivers: readonly Receiver[]
  /** Which method hears an event, by the event's name. */
  readonly hears: ReadonlyMap<string, { readonly method: string }>
  /**
   * The callers that may call each method, as the class of this version says; undefined where
   * everybody may call all.
   */
  readonly allows?: ReadonlyMap<string, Rule> | undefined
  readonly tally: Tally
}

/** Counts the calls of a link. It outlives the chain: later links of its version count on. */
export interface Tally {
  calls: number
}

/** A version that is not answered here, between others that are. */
export interface Cut {
  readonly version: Version
  readonly role: 'cut'
  readonly fault: Fault
}

export class ObjectChain {
  readonly oldest: Version
  readonly newest: Version
  /** Those that answer, oldest first. */
  readonly links: readonly Link[]
  readonly #answers: readonly (Link | Fault)[]

  /**
   * @param version the node's own version
   * @param places consecutive versions, oldest first, with the object among them
   * @param below why versions before the oldest are not answered: made when somebody asks, for a fault keeps
   *   alive what was running when it was made
   * @param above why versions after the newest are not answered; undefined: they are not known yet
   */
  constructor(
    readonly version: Version,
    places: readonly (Link | Cut)[],
    readonly below: () => Fault,
    readonly above: Fault | undefined,
  ) {
    invariant(places.length > 0, 'C1: an empty chain')
    this.oldest = places[0]!.version
    this.newest = this.oldest + places.length - 1
    places.forEach((place, i) => {
      invariant(place.version === this.oldest + i, `C1: version ${this.oldest + i} is answered by the link of ${place.version}`)
    })
    // A copy of the filtered list, which has room for more: there are many chains.
    this.links = places.filter((place) => place.role !== 'cut').slice()
    this.#answers =
      this.links.length === places.length ? this.links : places.map((place) => (place.role === 'cut' ? place.fault : place))
    const objects = this.links.filter(({ role }) => role === 'object')
    invariant(
      objects[0] !== undefined && objects.length === 1 && objects[0].version === version,
      `C1: ${objects.length} objects in the chain of version ${version}`,
    )
    const [object] = objects[0].receivers
    for (const link of this.links) invariant(link.receivers[0] === object, `C5: version ${link.version} leads to another object`)
  }

  /** The link of the object itself. */
  get object(): Link {
    return this.#answers[this.version - this.oldest] as Link
  }

  /**
   * The link that answers `version`; a fault where the chain is cut; undefined for a version
   * that this node has not heard of.
   */
  at(version: Version): Link | Fault | undefined {
    if (version < this.oldest) return this.below()
    return this.#answers[version - this.oldest] ?? this.above
  }
}
