/**
 * An event that an upgrade introduces: tellers publish it from that version on, and ledgers hear it from then
 * on. Nodes that have not learned the version yet are to hear it all the same.
 */
import { event, type Version } from 'theseus-actors'
import { type Plan, serviceNames } from '../plan.js'

export const rumour = event<[op: string]>('rumour')

/**
 * The first upgrade of both services that is not undone; undefined where there is none, or the
 * plan has no rumours.
 */
export function rumoursSince({
  habits = [],
  upgrades,
}: Partial<Pick<Plan, 'habits'>> & Pick<Plan, 'upgrades'>): Version | undefined {
  if (!habits.includes('rumours')) return undefined
  const version = upgrades.findIndex(
    ({ undoes, classUpgrades, bundle }, i) =>
      undoes === null &&
      bundle === 'good' &&
      !upgrades.some((later) => later.undoes === i + 1) &&
      serviceNames.every((name) => classUpgrades.some(({ service, only }) => service === name && only === null)),
  )
  return version === -1 ? undefined : version + 1
}
