/** A connection to a system for the length of one command. */
import { connectOperator, isFault, type Operator, type Signer } from 'theseus-actors'
import { nats } from 'theseus-actors/nats'
import type { Gather } from 'theseus-actors/operator'
import { redis } from 'theseus-actors/redis'
import { exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { answerTimeoutMs } from './answerTimeout.js'
import type { GlobalFlags } from './flags.js'
import { gatherTo, type ToFlags } from './orderFile.js'
import { systemIn, type Target, targetOf } from './target.js'
import { type Trust, trustedBy } from './trust.js'
import { type KeyFlags, signerNeeded, signerOf } from './upgraderSeed.js'

const serverDeadlineMs = 3_000

/** The system of this very process, while commands run in front of it (`natsctl demo`). */
let embedded: string | undefined

export function embeddedSystem(): string | undefined {
  return embedded
}

export async function withEmbeddedSystem(system: string, use: () => Promise<void>): Promise<void> {
  embedded = system
  await use().finally(() => {
    embedded = undefined
  })
}

/**
 * @param use is also told whom to believe; undefined: nobody said
 * @param upgrader signs what is published
 * @param gather takes what is signed, in the upgrade server's place
 */
export async function withOperator<T>(
  flags: GlobalFlags,
  use: (operator: Operator, system: string, trust: Trust | undefined) => Promise<T>,
  upgrader?: Signer,
  gather?: Gather,
): Promise<T> {
  const target = embedded === undefined ? await targetOf(flags) : undefined
  const system = target === undefined ? embedded! : systemIn(target)
  const operator = await connectOperator({
    system,
    ...(target !== undefined && { transport: nats(target.nats), udb: redisFrom(target.redis), ...callerName(target) }),
    ...trustOf(target),
    settings: { serverDeadlineMs: answerTimeoutMs(serverDeadlineMs) },
    ...(upgrader === undefined ? {} : { upgrader }),
    ...(gather === undefined ? {} : { gather }),
  })
  try {
    // A system in this very process needs no signature.
    return await use(operator, system, target === undefined ? 'nobody' : target.trust)
  } finally {
    await operator.close()
  }
}

/** The root names the system in what is signed. */
function trustOf(target: Target | undefined): { readonly trust?: Exclude<Trust, 'nobody'> } {
  const trust = trustedBy(target?.trust)
  return trust === undefined ? {} : { trust }
}

/** The name to call under, where callers have names. */
export function callerName({ as }: Pick<Target, 'as'>): { readonly as?: string } {
  return as === undefined ? {} : { as }
}

/**
 * The same for what upgraders sign: with the key that the flags or the environment name, if
 * any. With `--to` it goes to a file.
 */
export async function withSigningOperator<T>(
  flags: GlobalFlags & KeyFlags & ToFlags,
  use: (operator: Operator, system: string) => Promise<T>,
): Promise<T> {
  const { to } = flags
  const upgrader = to === undefined ? await signerOf(flags) : await signerNeeded(flags)
  const gather = to === undefined ? undefined : gatherTo(to, flags.output)
  return withOperator(flags, (operator, system) => explainNoServer(system, use(operator, system)), upgrader, gather)
}

/** Throws for what is no address of Redis. */
export function redisFrom(url: string): ReturnType<typeof redis> {
  try {
    return redis(url)
  } catch {
    throw usageFailure(
      '--redis is no address of Redis: use redis://host:6379, redis-sentinel://host:26379,host:26379/name, redis-cluster://host:6379,host:6379, or the same with rediss',
    )
  }
}

/** For what the upgrade server is asked: "nobody listens on theseus.x.server" does not say what to do. */
export async function explainNoServer<T>(system: string, question: Promise<T>): Promise<T> {
  try {
    return await question
  } catch (error) {
    if (!isFault(error) || error.code !== 'unavailable.no-responders') throw error
    const message = `${error.code}: no upgrade server of system ${system} answers: is one running, and is the name right?`
    throw new Failure(exitCodes.noResponder, message, { cause: error })
  }
}
