/**
 * The neighbours of a host: each is a host without nodes, in a container of its own, with the neighbour's
 * connections, keys and history. A part of the composition root.
 */
import type { DependencyContainer } from 'tsyringe'
import { OpenParts } from './actors/base/openParts.js'
import { tokens } from './actors/base/tokens.js'
import { CallTable } from './actors/calls/callTable.js'
import { HostHistoryRestore } from './actors/history/hostHistoryRestore.js'
import { UpgradeHistory } from './actors/history/upgradeHistory.js'
import { UpgradeServerClient } from './actors/history/upgradeServerClient.js'
import { Host } from './actors/host/host.js'
import { dropOtherHistory, neighbourRestore } from './actors/neighbours/keptNeighbourHistory.js'
import { Neighbour } from './actors/neighbours/neighbour.js'
import { NeighbourServerClient } from './actors/neighbours/neighbourServerClient.js'
import { Neighbours } from './actors/neighbours/neighbours.js'
import { SystemPin } from './actors/neighbours/systemPin.js'
import { HostSession } from './actors/registration/hostSession.js'
import { Journal } from './actors/state/journal.js'
import { firstLevelOf, type NeighbourOptions, neighbourConnections } from './connections.js'
import { Fault, isFault } from './core/base/fault.js'
import { nameLengthMax } from './core/base/ids.js'
import { VerifiedHistory } from './core/control/verifiedHistory.js'
import type { HostObserver } from './core/inspection/hostEvents.js'
import { type Random, randomName } from './core/ports/random.js'
import type { StateStore } from './core/ports/stateStore.js'
import { storeUnder } from './core/store/storeUnder.js'
import { checkTrust } from './core/trust/trust.js'
import type { HostOptions } from './hostOptions.js'
import { openScope } from './hostScope.js'
import { nkeySignatures } from './transports/nkeys/nkeys.js'

/** Opens them all; the host's `Neighbours` stops them. Throws why one can't be reached, with its name. */
export async function openNeighbours(options: HostOptions, store: StateStore, scope: DependencyContainer): Promise<void> {
  const all = scope.resolve(Neighbours)
  for (const [system, neighbour] of Object.entries(options.neighbours ?? {})) {
    try {
      all.add(await openNeighbour(options, system, neighbour, store, scope))
    } catch (error) {
      if (!isFault(error)) throw error
      throw new Fault(error.code, `neighbour ${system}: ${error.message}`, error.details, { cause: error })
    }
  }
}

async function openNeighbour(
  options: HostOptions,
  system: string,
  neighbour: NeighbourOptions,
  store: StateStore,
  host: DependencyContainer,
): Promise<Neighbour> {
  const parts = new OpenParts()
  const own = host.resolve(tokens.settings)
  const random = host.resolve(tokens.random)
  const observe = neighbourObserver(system, host.resolve(tokens.observer))
  const hostId = hostIdAt(own, random)
  const kept = storeUnder(store, `neighbour/${system}/`)
  const { settings, telemetry } = options
  const connections = neighbourConnections(options, system, neighbour)
  const trust = checkTrust(nkeySignatures, neighbour.trust, system)
  const empty = () => new VerifiedHistory(system, trust, nkeySignatures, firstLevelOf(connections))
  await dropOtherHistory(kept, system, empty(), observe)
  const { scope } = await openScope(
    {
      ...connections,
      ...{ hostId, observe },
      ...(settings === undefined ? {} : { settings }),
      ...(telemetry === undefined ? {} : { telemetry }),
    },
    kept,
    parts,
    // The host starts without the neighbour's servers.
    'all',
    { system: own.system, host: own.hostId },
  )
  scope.registerSingleton(UpgradeServerClient, NeighbourServerClient)
  scope.register(HostHistoryRestore as never, {
    useValue: neighbourRestore(system, {
      ...{ verified: scope.resolve(tokens.verified), empty, kept, observe },
      server: { manifests: (from, to) => scope.resolve(UpgradeServerClient).manifests(from, to) },
    }),
  })
  scope.register(tokens.repository, { useValue: host.resolve(tokens.repository) })
  const clients = scope.resolve(Host)
  const { software } = scope.resolve(HostSession)
  const clock = scope.resolve(tokens.clock)
  const database = scope.resolve(tokens.database)
  return new Neighbour({
    system,
    host: {
      ref: (target, nodeId, refOptions) => clients.ref(target, nodeId, refOptions),
      sender: (target, nodeId, refOptions) => clients.sender(target, nodeId, refOptions),
      stop: async (budget) => {
        await clients.stop(budget)
        if (budget !== undefined) await parts.close(budget)
      },
    },
    calls: scope.resolve(CallTable),
    history: scope.resolve(UpgradeHistory),
    journal: scope.resolve(Journal),
    store: kept,
    pin: new SystemPin({ system: own.system, neighbour: system, database, clock, by: own.hostId, software: () => software }),
    ...{ clock, random, observe, settings: scope.resolve(tokens.settings) },
  })
}

/** Hosts of the neighbour may have the same name. Ids of rows are longer by a version. */
function hostIdAt({ system, hostId }: { readonly system: string; readonly hostId: string }, random: Random): string {
  const full = `${system}-${hostId}`
  return full.length <= idLengthMax ? full : `${system.slice(0, idLengthMax / 2)}-${randomName(random)}`
}

const idLengthMax = nameLengthMax - 16

/** Its warnings are the host's too; what else happens there is the neighbour's affair. */
function neighbourObserver(system: string, observe: HostObserver): HostObserver {
  return (event) => {
    if (event.type === 'warning') observe({ ...event, message: `neighbour ${system}: ${event.message}` })
    if (event.type === 'deadLetter') observe(event)
  }
}
