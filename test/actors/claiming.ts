/**
 * A permit of a node, and what it stands on: a database in memory that waits where a test says,
 * and a clock that a test moves.
 */

import { defaultSettings } from '../../actors/base/settings.js'
import type { NodeServices } from '../../actors/host/nodeServices.js'
import { type PermitState, UpgradePermit } from '../../actors/upgrade/upgradePermit.js'
import { UpgradeQueue } from '../../actors/upgrade/upgradeQueue.js'
import type { Session } from '../../core/control/standing.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { holdersOf, upgradingNode } from '../contracts/databaseContract.js'
import type { Gate } from '../support/testSystem.js'
import { ManualClock } from './manualClock.js'

export const one = { nodes: 1 }

export async function open({ backoffMsMax = 100, chance = 0 } = {}) {
  const clock = new ManualClock()
  const factory = memoryDatabase()
  const database = await factory.open('shop', clock)
  /** The gates that calls of the database wait for, before and after they are carried out. */
  const waits = {
    claim: undefined as Gate | undefined,
    claimed: undefined as Gate | undefined,
    release: undefined as Gate | undefined,
    restore: undefined as Gate | undefined,
  }
  /** The requests to the database about permits. */
  const asked: string[] = []
  const seen: UpgradeDatabase = new Proxy(database, {
    get(target, key) {
      const method = Reflect.get(target, key) as (...args: unknown[]) => unknown
      return async (...args: unknown[]) => {
        asked.push(String(key))
        if (key === 'claimPermit') await waits.claim?.pass()
        if (key === 'releasePermit') await waits.release?.pass()
        if (key === 'restorePermit') await waits.restore?.pass()
        const answer = await method.apply(target, args)
        if (key === 'claimPermit') await waits.claimed?.pass()
        return answer
      }
    },
  })
  const settings = {
    ...defaultSettings,
    system: 'shop',
    hostId: 'h1',
    limit: one,
    backoffMs: 100,
    backoffMsMax,
    slotPauseMs: 50,
  }
  const services = {
    database: seen,
    clock,
    settings,
    random: { next: () => chance },
    history: { takesBack: () => false },
    upgradeQueue: new UpgradeQueue(settings),
  } as unknown as NodeServices
  const holders = async () => holdersOf(await database.claimPermit('pages', upgradingNode('nobody', 1, true), { nodes: 0 }))
  return {
    clock,
    factory,
    database,
    services,
    waits,
    asked,
    holders,
    permit: (state: PermitState = 'free', by?: { readonly now: Session }) =>
      new UpgradePermit(services, 'pages', 'n1', state, by),
  }
}

export async function turns(clock: ManualClock, ms = 0): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
  if (ms === 0) return
  clock.advance(ms)
  await turns(clock)
}
