/**
 * Whether there is a system of that name. A read of one that was mistyped would say "none" and be done. A new
 * system is known as soon as its upgrade server or a host was heard.
 */
import type { Operator } from 'theseus-actors'
import { redisSystems } from 'theseus-actors/redis'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { didYouMean } from '../output/nearest.js'
import { embeddedSystem, withOperator } from './connection.js'
import { ContextFiles } from './contextFiles.js'
import type { GlobalFlags } from './flags.js'
import { targetOf } from './target.js'
import type { Trust } from './trust.js'

/** `withOperator` for reads: throws for a system that nobody has heard of, with the nearest names (6). */
export function withKnownSystem<T>(
  flags: GlobalFlags,
  use: (operator: Operator, system: string, trust: Trust | undefined) => Promise<T>,
): Promise<T> {
  return withOperator(flags, async (operator, system, trust) => {
    await checkKnown(operator.database, system, flags)
    return use(operator, system, trust)
  })
}

export async function checkKnown(database: Operator['database'], system: string, flags: GlobalFlags): Promise<void> {
  if (embeddedSystem() !== undefined || (await isKnown(database))) return
  const near = didYouMean(system, await otherSystems(flags))
  throw new Failure(exitCodes.noResponder, `error: there is no system ${system}: nobody was ever heard of there${near}`)
}

async function isKnown(database: Operator['database']): Promise<boolean> {
  if ((await database.head()).version > 0) return true
  if ((await database.standing()) !== undefined) return true
  // Servers of release 0.1.0 are not heard.
  return (await database.nodes()).length > 0 || (await database.auditHead()).number > 0
}

/** Those of contexts, and those of the same Redis. */
async function otherSystems(flags: GlobalFlags): Promise<ReadonlySet<string>> {
  const files = new ContextFiles()
  const names = await files.names().catch(() => [])
  const contexts = await Promise.all(names.map((name) => files.read(name).catch(() => undefined)))
  const stored = await redisSystems((await targetOf(flags)).redis).catch(() => [])
  return new Set([...contexts.flatMap((context) => context?.system ?? []), ...stored])
}
