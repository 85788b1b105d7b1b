/**
 * The facts that `natsctl doctor` finds out, from servers, hosts and the upgrade database. It changes
 * nothing, and waits for nobody for long.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { connectOperator, isFault, type NodeRow, type Operator, type Version } from 'theseus-actors'
import { type NatsProbe, nats, probeNats } from 'theseus-actors/nats'
import type { HostOffer, TrustMark } from 'theseus-actors/operator'
import { type Control, type Doubt, forksTable, type Manifest, neighboursNeeded, type Trusted } from 'theseus-actors/operator'
import { probeRedis, type RedisProbe, redis, redisUrlAddress } from 'theseus-actors/redis'
import { answerTimeoutMs } from '../context/answerTimeout.js'
import { callerName } from '../context/connection.js'
import { natsAddress, systemIn, type Target } from '../context/target.js'
import { HistoryReader } from '../history/knownHistory.js'
import { findNeighbours, needsOf } from '../history/neighbours.js'
import type { NeighbourFacts } from './doctorNeighbours.js'

export type Outcome<T> = { readonly value: T } | { readonly code: string; readonly message: string }

/** How far another clock is ahead of this machine's, at least and at most, in milliseconds. */
export interface Skew {
  readonly of: string
  readonly min: number
  readonly max: number
}

export interface ServerFacts {
  readonly version: Version
  readonly digest: string | null
  /** At least so many answered; null where they do not tell who they are. */
  readonly servers: number | null
  /** The trust that it tells; null where it does not tell. */
  readonly trust?: TrustMark | null
}

export interface DatabaseFacts {
  readonly version: Version
  readonly digest: string | null
  readonly final: Version
  readonly rows: readonly NodeRow[]
  readonly controls: readonly Control[]
  /** Why the rows can't be believed now. */
  readonly doubt?: Doubt
  /** Versions with two manifests. */
  readonly forks: readonly string[]
  readonly newest: Manifest | undefined
  /** The systems that this one calls. */
  readonly neighbours?: readonly NeighbourFacts[]
  /** The keys that may sign the next one. */
  readonly trusted?: Trusted
  /** The keys that signed the newest version that is verified. */
  readonly signedBy?: readonly string[]
  /** Why not all of the history is verified: `unasked` where nobody says whom to trust. */
  readonly unverified?: { readonly kind: 'unasked' | 'found'; readonly why: string }
}

export interface DoctorFacts {
  readonly system: string
  readonly now: number
  readonly natsAddress: string
  readonly redisAddress: string
  readonly nats: Outcome<NatsProbe>
  readonly redis: Outcome<RedisProbe>
  readonly database: Outcome<DatabaseFacts> | undefined
  /** All of these only where NATS and Redis answer. */
  readonly server: Outcome<ServerFacts> | undefined
  readonly install: Outcome<void> | undefined
  readonly calls: Outcome<unknown> | undefined
  /** The objections of nats-server meanwhile. */
  readonly objections: readonly string[]
  /** The hosts that answered over NATS; undefined where they can't be asked. */
  readonly hosts: readonly string[] | undefined
  /** Nodes that several hosts tell of. */
  readonly twins?: readonly SharedNodeId[]
  readonly skews: readonly Skew[]
  /** The hosts that offer sharded services. */
  readonly shardHosts?: readonly HostOffer[]
}

export interface SharedNodeId {
  readonly nodeId: string
  readonly hosts: readonly string[]
}

const serverDeadlineMs = 2_000
const callDeadlineMs = 1_000
const callsToNobodyMax = 3
/** Questions that go to several upgrade servers by chance: two are found but once in a hundred times. */
const questions = 8
const questionsMsMax = 1_500
const hostsMsMax = 1_500
const othersMsMin = 300
const pollMs = 50
/** No node has this name but by chance, and no method. */
const nobody = 'theseus-doctor'

export async function factsOf(target: Target): Promise<DoctorFacts> {
  const system = systemIn(target)
  const [natsProbe, redisProbe] = await Promise.all([
    outcome(probeNats(target.nats, system, target.as)),
    outcome(probeRedis(target.redis, system)),
  ])
  const skews: Skew[] = []
  if ('value' in redisProbe && redisProbe.value.clock !== null) {
    const { now, asked, heard } = redisProbe.value.clock
    skews.push({ of: 'Redis', min: now - heard, max: now - asked })
  }
  const common = {
    system,
    now: Date.now(),
    natsAddress: natsAddress(target.nats).join(', '),
    redisAddress: redisUrlAddress(target.redis),
    nats: natsProbe,
    redis: redisProbe,
  }
  const nothing = {
    database: undefined,
    server: undefined,
    install: undefined,
    calls: undefined,
    objections: [],
    hosts: undefined,
    skews,
  }
  if (!('value' in natsProbe) || !('value' in redisProbe)) return { ...common, ...nothing }
  const objections: string[] = []
  const onError = (error: unknown) => void objections.push(error instanceof Error ? error.message : String(error))
  const connected = await outcome(
    connectOperator({
      system,
      transport: nats({ ...target.nats, onError }),
      udb: redis(target.redis),
      ...callerName(target),
      settings: { serverDeadlineMs: answerTimeoutMs(serverDeadlineMs) },
    }),
  )
  // They answered a moment ago.
  if (!('value' in connected)) return { ...common, ...nothing, nats: connected }
  const operator = connected.value
  try {
    const database = await outcome(databaseFacts(operator, target))
    // A login that may not hear of shards lacks nothing where there are none.
    const isSharded = 'value' in database && database.value.rows.some(({ shard }) => shard !== undefined)
    const [server, install, calls, hosts, shards] = await Promise.all([
      outcome(serverFacts(operator, skews)),
      outcome(operator.reachInstall()),
      callToNobody(operator),
      hostsOf(operator, 'value' in database ? database.value.rows : [], skews),
      outcome(isSharded ? operator.shardHosts() : Promise.resolve([])),
    ])
    const canLook = !objections.some((text) => /\.look(er)?\b/.test(text))
    const { names, twins } = hosts
    const shardHosts = 'value' in shards ? { shardHosts: shards.value } : {}
    const found = { database, server, install, calls, objections, hosts: canLook ? names : undefined, twins, skews }
    return { ...common, ...found, ...shardHosts }
  } finally {
    await operator.close()
  }
}

/**
 * A login that may call is told that nobody listens. The last try of a call may be under way when its time is
 * over, so it is made again.
 */
async function callToNobody(operator: Operator): Promise<Outcome<unknown>> {
  const options = { version: 0, deadlineMs: callDeadlineMs, kind: 'query' } as const
  for (let tries = 1; ; tries++) {
    const found = await outcome(operator.call({ node: nobody }, nobody, [], options))
    if ('value' in found || found.code !== 'timeout.deadline' || tries === callsToNobodyMax) return found
  }
}

async function databaseFacts({ database }: Operator, target: Target): Promise<DatabaseFacts> {
  const reader = new HistoryReader(database, systemIn(target), target.trust)
  const [{ version, digest }, { history }, final, rows, controls, forks, standing, death] = await Promise.all([
    database.head(),
    reader.read(),
    database.finalized(),
    database.nodes(),
    database.controls(),
    database.table(forksTable),
    database.standing(),
    database.dead(),
  ])
  const uses = neighboursNeeded(history.manifests, rows, { dead: death.inForce, final })
  const found = await findNeighbours(
    uses.map((use) => use.system),
    systemIn(target),
  )
  const neighbours = [...found].map(([system, neighbour]) => ({
    system,
    found: neighbour,
    needs: needsOf(
      uses.filter((use) => use.system === system),
      found,
    ),
  }))
  const { doubt: why } = history
  return {
    ...{ version, digest, final, rows, controls, neighbours },
    ...(standing?.probation ? { doubt: standing.probation.doubt } : {}),
    forks: [...forks.keys()],
    newest: history.manifests[version - 1],
    ...(history.by.length === 0 ? {} : { signedBy: history.by.at(-1)! }),
    ...(history.trusted === undefined ? {} : { trusted: history.trusted }),
    ...(why === undefined ? {} : { unverified: { kind: target.trust === undefined ? 'unasked' : 'found', why } }),
  }
}

async function serverFacts(operator: Operator, skews: Skew[]): Promise<ServerFacts> {
  const names = new Map<string, Skew>()
  const until = performance.now() + answerTimeoutMs(questionsMsMax)
  let last = await operator.askServer()
  for (let i = 0; i < questions && performance.now() < until; i++) {
    const asked = Date.now()
    last = await operator.askServer()
    if (last.server === null || last.now === null) break
    const skew = { of: `upgrade server ${last.server}`, min: last.now - Date.now(), max: last.now - asked }
    const known = names.get(last.server)
    // Of several answers the quickest tells most.
    if (known === undefined || skew.max - skew.min < known.max - known.min) names.set(last.server, skew)
  }
  skews.push(...names.values())
  return { version: last.version, digest: last.digest, servers: names.size === 0 ? null : names.size, trust: last.trust }
}

/** So many are listened to. */
const hostsMax = 10_000
const nodesMax = 200_000

interface Looked {
  readonly names: readonly string[]
  readonly twins: readonly SharedNodeId[]
}

/** Those that tell something when somebody looks. */
async function hostsOf(operator: Operator, rows: readonly NodeRow[], skews: Skew[]): Promise<Looked> {
  const hosts = new Map<string, Skew | undefined>()
  const places = new Map<string, Set<string>>()
  const asked = Date.now()
  const stop = operator.look(({ hostId, seen }) => {
    const heard = Date.now()
    // Anybody may speak in a host's name.
    if (!hosts.has(hostId) && hosts.size >= hostsMax) return
    for (const each of seen) {
      if (each.type === 'node' && (places.size < nodesMax || places.has(each.nodeId)))
        places.set(each.nodeId, (places.get(each.nodeId) ?? new Set()).add(hostId))
      if (each.type === 'gone') places.get(each.nodeId)?.delete(hostId)
    }
    const told = seen.find(({ type }) => type === 'node')
    if (hosts.get(hostId) !== undefined) return
    hosts.set(hostId, told === undefined ? undefined : { of: `host ${hostId}`, min: told.at - heard, max: told.at - asked })
  })
  const expected = new Set(rows.filter(({ alive }) => alive).map(({ hostId }) => hostId))
  const begun = performance.now()
  const waitMsMax = answerTimeoutMs(hostsMsMax)
  const isToWait = () => performance.now() < begun + waitMsMax && [...expected].some((hostId) => !hosts.has(hostId))
  // One that no row names may tell of the same nodes.
  while (performance.now() < begun + othersMsMin || isToWait()) await sleep(pollMs)
  stop()
  skews.push(...[...hosts.values()].filter((skew) => skew !== undefined))
  const twins = [...places].filter(([, of]) => of.size > 1).map(([nodeId, of]) => ({ nodeId, hosts: [...of].sort() }))
  return { names: [...hosts.keys()].sort(), twins }
}

async function outcome<T>(question: Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await question }
  } catch (error) {
    if (isFault(error)) return { code: error.code, message: error.message }
    return { code: 'error', message: error instanceof Error ? error.message : String(error) }
  }
}
