/** The tables of services and of versions. */

import type { Version } from 'theseus-actors'
import { permitsAllowed, strictestLimit } from 'theseus-actors/operator'
import type { Cell } from '../output/output.js'
import type { ServiceRollout } from '../rollout/rolloutSummary.js'
import type { Rates, VersionRates } from './rates.js'
import type { Column } from './tableLayout.js'
import { durationText, rateText, unknownText } from './valueFormat.js'
import type { WatchedRollout } from './watchedRollout.js'

export interface ServiceLine extends ServiceRollout {
  readonly moving: number
  /** How many do not serve, and how many may. */
  readonly limit: string
}

export function serviceLines(
  { rollout, underWay, schedules }: WatchedRollout,
  rates: Pick<Rates, 'limitOf'>,
): readonly ServiceLine[] {
  return rollout.services.map((service) => {
    const told = rates.limitOf(service.service)
    const of = schedules.find((one) => one.service === service.service)
    const limit = told === undefined ? undefined : strictestLimit([told, ...limitsIn(of?.schedule ?? '')])
    const allowed = limit === undefined ? unknownText : permitsAllowed(limit, service.nodes)
    const { moving = 0, notServing = 0 } = underWay.get(service.service) ?? {}
    return {
      ...service,
      moving,
      limit: `${notServing} of ${Number.isFinite(allowed) || allowed === unknownText ? allowed : 'any'}`,
    }
  })
}

export const serviceColumns: readonly Column<ServiceLine>[] = [
  { title: 'SERVICE', rank: 1, min: 8, max: 24, cell: ({ service }) => service },
  { title: 'NODES', rank: 6, align: 'right', cell: ({ nodes }) => nodes },
  { title: 'THERE', rank: 2, align: 'right', cell: ({ there }) => there },
  { title: 'MOVING', rank: 4, align: 'right', cell: ({ moving }) => moving },
  { title: 'IN TROUBLE', rank: 3, align: 'right', cell: ({ troubled }) => counted(troubled.length, 'red') },
  { title: 'AWAY', rank: 5, align: 'right', cell: ({ away }) => counted(away.length, 'yellow') },
  { title: 'NOT SERVING', rank: 7, align: 'right', cell: ({ limit }) => limit },
]

export interface VersionLine extends VersionRates {
  readonly nodes: number
}

/** Versions that nodes run, and those at which they are called. */
export function versionLines({ rollout }: WatchedRollout, rates: readonly VersionRates[]): readonly VersionLine[] {
  return rollout.services.flatMap(({ service, versions }) => {
    const told = rates.filter((one) => one.service === service)
    const called = told.filter(({ calls = 0, refused = 0, failed = 0 }) => calls + refused + failed > 0)
    const shown = new Set<Version>([...versions, ...called].map(({ version }) => version))
    return [...shown]
      .toSorted((a, b) => b - a)
      .map((version) => ({
        ...(told.find((one) => one.version === version) ?? nobodyTold(service, version, told.length > 0)),
        nodes: versions.find((one) => one.version === version)?.nodes ?? 0,
      }))
  })
}

export const versionColumns: readonly Column<VersionLine>[] = [
  { title: 'SERVICE', rank: 3, min: 8, max: 24, cell: ({ service }) => service },
  { title: 'VERSION', rank: 1, align: 'right', cell: ({ version }) => version },
  { title: 'NODES', rank: 5, align: 'right', cell: ({ nodes }) => nodes },
  { title: 'CALLS/S', rank: 2, min: 7, align: 'right', cell: ({ calls }) => rateText(calls) },
  { title: 'BY SO/S', rank: 7, min: 7, align: 'right', cell: ({ simulated }) => rateText(simulated) },
  { title: 'REFUSED/S', rank: 8, align: 'right', cell: ({ refused }) => marked(refused, 'yellow') },
  { title: 'ERRORS/S', rank: 4, align: 'right', cell: ({ failed }) => marked(failed, 'red') },
  { title: 'P99', rank: 6, min: 6, align: 'right', cell: ({ p99Ms }) => durationText(p99Ms) },
]

/** Hosts that tell figures leave out versions that nobody has called. */
function nobodyTold(service: string, version: Version, isTold: boolean): VersionRates {
  const rate = isTold ? 0 : undefined
  return { service, version, calls: rate, simulated: rate, refused: rate, failed: rate, p99Ms: undefined }
}

/** A schedule may say so as well (`atMost`). */
function limitsIn(schedule: string) {
  return [...schedule.matchAll(/atMost\((\d+)(%?)\)/g)].map(([, amount, unit]) =>
    unit === '%' ? { percent: Number(amount) } : { nodes: Number(amount) },
  )
}

function counted(number: number, style: 'red' | 'yellow'): Cell {
  return number === 0 ? 0 : { text: String(number), style }
}

function marked(rate: number | undefined, style: 'red' | 'yellow'): Cell {
  return rate === undefined || rate === 0 ? rateText(rate) : { text: rateText(rate), style }
}
