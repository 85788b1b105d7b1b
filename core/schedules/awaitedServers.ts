/**
 * Whose upgrade a class upgrade waits for (§4, "after my servers"): the services that its classes declare to
 * call. Of services that wait for each other none could be first, so these do not.
 */
import { Fault } from '../base/fault.js'
import { describeClass, type NodeClass } from '../model/nodeObject.js'
import type { Schedule } from './schedule.js'

/** In `Schedule.awaits`: whatever services the node's class calls. No service has this name. */
export const declaredServers = '*'

/** As much of a class upgrade as this needs. */
export interface Waiting {
  readonly oldClass: NodeClass
  readonly newClass: NodeClass
  readonly schedule: Schedule
}

/**
 * The services that nodes of this class upgrade call, before it or after it, and that don't
 * wait for them in turn.
 */
export function serversOf(waiting: Waiting, all: readonly Waiting[]): readonly string[] {
  const service = serviceOf(waiting)
  return called(waiting).filter((server) => !awaitedFrom([server], all).has(service))
}

/**
 * Throws `upgrade.invalid` for services that wait for each other because their schedules name each other:
 * nobody would ever go.
 */
export function checkAwaited(all: readonly Waiting[]): void {
  const named = all.map(({ schedule, ...rest }) => {
    const awaits = (schedule.awaits ?? []).filter((name) => name !== declaredServers)
    return { ...rest, schedule: { ...schedule, awaits } }
  })
  for (const waiting of named) {
    const service = serviceOf(waiting)
    if (!awaitedFrom(waiting.schedule.awaits, named).has(service)) continue
    const { className } = describeClass(waiting.oldClass)
    throw new Fault(
      'upgrade.invalid',
      `class upgrade of ${className}: ${waiting.schedule.describe} waits for services that wait for ${service}: no node of these would ever upgrade`,
    )
  }
}

/** These services, those that their class upgrades wait for, and so on. */
function awaitedFrom(services: readonly string[], all: readonly Waiting[]): ReadonlySet<string> {
  const found = new Set(services)
  // A set is gone through with what is added meanwhile.
  for (const service of found) {
    for (const waiting of all) {
      if (serviceOf(waiting) !== service) continue
      for (const name of waiting.schedule.awaits ?? [])
        for (const server of name === declaredServers ? called(waiting) : [name]) found.add(server)
    }
  }
  return found
}

/** Its own service is no server of a node: the nodes of a service would wait for each other. */
function called(waiting: Waiting): readonly string[] {
  const { oldClass, newClass } = waiting
  const services = new Set([...describeClass(oldClass).callsServices, ...describeClass(newClass).callsServices])
  services.delete(serviceOf(waiting))
  return [...services]
}

function serviceOf({ oldClass }: Waiting): string {
  return describeClass(oldClass).service
}
