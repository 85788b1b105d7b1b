/**
 * Looks at Redis for whoever asks whether all is well: which version answers, whether it keeps what it is
 * given, its clock, and what the login of an operator may do. It only reads.
 */
import type { Redis } from 'ioredis'
import { isFault, reasonOf } from '../../core/base/fault.js'
import { RedisConnection } from './redisConnection.js'
import { keysOf } from './redisKeys.js'
import { placeOf, type RedisSettings } from './redisSettings.js'

export interface RedisProbe {
  readonly version: string
  readonly roundTripMs: number
  readonly isEncrypted: boolean
  /** Whether it keeps an append-only file; null where it does not tell. */
  readonly keepsAppendOnlyFile: boolean | null
  readonly maxmemoryPolicy: string | null
  /** 0 for no limit. */
  readonly maxmemoryBytes: number
  /** How many replicas follow it; null where it does not tell. */
  readonly replicas: number | null
  /** How many are waited for, as the settings have it. */
  readonly waitReplicas: number
  /** Its clock, in milliseconds since 1970, and between which moments of this machine's clock it said so. */
  readonly clock: { readonly now: number; readonly asked: number; readonly heard: number } | null
  /** Why the functions can't be called, where they are not loaded. */
  readonly withoutFunctions?: string
  /** The commands that the login may not do, with what Redis says to it. */
  readonly refused: readonly { readonly what: string; readonly why: string }[]
}

const nobody = '(theseus-doctor)'

/** Throws as connecting does. */
export async function probeRedis(settings: string | RedisSettings, system: string): Promise<RedisProbe> {
  const place = placeOf(settings)
  const connection = await RedisConnection.open(settings, system, 'doctor')
  try {
    const startedAt = performance.now()
    await connection.call((client) => client.ping())
    const roundTripMs = performance.now() - startedAt
    const info = await connection.call((client) => client.info()).catch(() => '')
    const of = (field: string): string | undefined => new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1]
    const aof = of('aof_enabled')
    return {
      version: of('redis_version') ?? '?',
      roundTripMs,
      isEncrypted: place.isEncrypted,
      keepsAppendOnlyFile: aof === undefined ? null : aof === '1',
      maxmemoryPolicy: of('maxmemory_policy') ?? null,
      maxmemoryBytes: Number(of('maxmemory') ?? 0),
      replicas: of('connected_slaves') === undefined ? null : Number(of('connected_slaves')),
      waitReplicas: place.waitReplicas,
      clock: await clockOf(connection),
      ...(await callsOf(connection, system)),
    }
  } finally {
    await connection.close()
  }
}

async function clockOf(connection: RedisConnection): Promise<RedisProbe['clock']> {
  const asked = Date.now()
  try {
    const [seconds, microseconds] = await connection.call((client) => client.time())
    return { now: Number(seconds) * 1000 + Number(microseconds) / 1000, asked, heard: Date.now() }
  } catch {
    return null
  }
}

type Calls = Pick<RedisProbe, 'refused' | 'withoutFunctions'>

async function callsOf(connection: RedisConnection, system: string): Promise<Calls> {
  const refused = await refusedOf(connection, system)
  try {
    await connection.read(['theseusStanding', 'theseusStanding'], keysOf(system).nodes)
    return { refused }
  } catch (error) {
    if (isFault(error) && error.details.why === undefined) throw error
    const why = reasonOf(error)
    if (isFault(error) && error.details.why === 'missing') return { refused, withoutFunctions: why }
    return { refused: [...refused, { what: 'call functions', why }] }
  }
}

/** The commands of natsctl there, one for each key. */
async function refusedOf(connection: RedisConnection, system: string): Promise<RedisProbe['refused']> {
  const { nodes, head, manifests, signatures, controls, tables, dead, final, table, bundle } = keysOf(system)
  const [registrations, rows, members, leases, transient, slots] = nodes
  const tries: readonly (readonly [what: string, run: (client: Redis) => Promise<unknown>])[] = [
    ['read the head', (client) => client.hmget(head, 'version')],
    ['read manifests', (client) => client.hmget(manifests, '0')],
    ['read signatures', (client) => client.hmget(signatures, '0')],
    ['read controls', (client) => client.hgetall(controls)],
    ['read the list of tables', (client) => client.smembers(tables)],
    ['read tables', (client) => client.hgetall(table(nobody))],
    ['read deaths', (client) => client.hmget(dead, 'below')],
    ['read what is final', (client) => client.get(final)],
    ['read bundles', (client) => client.hget(bundle(nobody), '0')],
    ['read nodes', (client) => client.hget(registrations, nobody)],
    ['read rows', (client) => client.hget(rows, nobody)],
    ['read members', (client) => client.zmscore(members, nobody)],
    ['read leases', (client) => client.zmscore(leases, nobody)],
    ['read leases of nodes without a directory', (client) => client.zmscore(transient, nobody)],
    ['read slots', (client) => client.zmscore(slots, nobody)],
  ]
  const refused: { what: string; why: string }[] = []
  for (const [what, run] of tries) {
    try {
      await connection.call(run)
    } catch (error) {
      // No answer at all is no refusal.
      if (isFault(error)) throw error
      refused.push({ what, why: reasonOf(error) })
    }
  }
  return refused
}
