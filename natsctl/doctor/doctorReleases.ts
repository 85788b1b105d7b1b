/** The check of a system that a new release rolls through. Pure. */
import type { NodeRow } from 'theseus-actors'
import { readersOf } from 'theseus-actors/operator'
import { type Check, nameList, warning } from './doctorCheck.js'

/** Said while hosts and clients run different releases. */
export function releasesCheck(rows: readonly NodeRow[]): readonly Check[] {
  const byRelease = Map.groupBy(readersOf(rows, []), ({ release }) => release)
  if (byRelease.size < 2) return []
  const found = [...byRelease]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([release, hosts]) => `${release}: ${nameList(hosts.map(({ id }) => id))}`)
    .join('; ')
  const advice = 'roll on, or back, as you like: "natsctl system level" shows who has to be newer before the level is raised'
  return [warning('releases', found, advice)]
}
