/** The contenders in calls. Each is compared at a load with the reference at that load. */

import { moleculer } from '../peers/moleculer.js'
import { nest } from '../peers/nest.js'
import { bareContenders, bareSends, publish, request } from './contenders/bare.js'
import { hopContenders, hopReferences } from './contenders/chains.js'
import type { Contender, Release } from './contenders/contender.js'
import { services } from './contenders/services.js'
import { tcp } from './contenders/tcp.js'
import { theseusContenders, theseusSends } from './contenders/theseus.js'

/** Contenders who meet in one run. */
export interface Match {
  readonly contenders: readonly Contender[]
  readonly references: readonly string[]
}

export const calls: Match = {
  contenders: [...bareContenders, ...theseusContenders, services, ...moleculer, nest, tcp, bareSends, theseusSends],
  references: [request, publish],
}

export const hops: Match = { contenders: hopContenders, references: hopReferences }

export const allContenders: readonly Contender[] = [...calls.contenders, ...hops.contenders]

/** The contender as an earlier release has it, under a name that says so. */
export function ofRelease(contender: Contender, release: Release): Contender {
  return { ...contender, name: `${release.name}: ${contender.name}`, release }
}
