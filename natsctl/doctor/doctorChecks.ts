/**
 * The checks of the system that `doctor` found, and how they end. Pure.
 *
 * D1. A *failure* is what keeps the system from being operated or upgraded; a *warning* is what will one day,
 *     or what concerns single nodes.
 */

import type { NodeRow } from 'theseus-actors'
import { hasEnded, mayBeAsleep } from 'theseus-actors/operator'
import { trustAdvice } from '../history/knownHistory.js'
import { type ExitCode, exitCodes } from '../output/exitCodes.js'
import { age, count } from '../output/output.js'
import { isPartOfRollout } from '../rollout/rolloutSummary.js'
import { type Check, failure, nameList, ok, warning } from './doctorCheck.js'
import type { DatabaseFacts, DoctorFacts, Outcome, Skew } from './doctorFacts.js'
import { neighbourChecks } from './doctorNeighbours.js'
import { releasesCheck } from './doctorReleases.js'
import {
  deafHosts,
  functionsCheck,
  natsCheck,
  natsPermissions,
  persistenceCheck,
  redisCheck,
  redisPermissions,
  replicasCheck,
} from './doctorServers.js'
import { shardChecks } from './doctorShards.js'
import { trustChecks } from './doctorTrust.js'

/** Deadlines and leases are of seconds. */
const skewMsMax = 1_000
const notFinalMs = 7 * 24 * 3_600_000
/** How long before it a warning tells that keys end. */
const keysEndDays = 30
const keysEndMs = keysEndDays * 24 * 3_600_000

export function checksOf(facts: DoctorFacts): readonly Check[] {
  return [
    natsCheck(facts),
    redisCheck(facts),
    ...('value' in facts.redis
      ? [
          persistenceCheck(facts.redis.value),
          ...replicasCheck(facts.redis.value),
          redisPermissions(facts.redis.value),
          ...functionsCheck(facts.redis.value),
        ]
      : []),
    ...(facts.database === undefined ? [] : withDatabase(facts, facts.database)),
  ]
}

export function doctorExitCode(checks: readonly Check[]): ExitCode {
  const failed = checks.filter(({ status }) => status === 'failure')
  if (failed.length > 0) return failed.every(({ check }) => check === upgradeServer) ? exitCodes.noResponder : exitCodes.error
  return checks.some(({ status, nodes }) => status === 'warning' && nodes.length > 0) ? exitCodes.degraded : exitCodes.done
}

const upgradeServer = 'upgrade server'

function withDatabase(facts: DoctorFacts, found: Outcome<DatabaseFacts>): readonly Check[] {
  if (!('value' in found))
    return [natsPermissions(facts), serverCheck(facts), failure('upgrade database', found.message, 'see the checks of Redis')]
  const database = found.value
  const rows = database.rows.filter(isPartOfRollout)
  return [
    natsPermissions(facts),
    ...deafHosts(facts, rows),
    serverCheck(facts),
    historyCheck(facts, database),
    ...trustChecks(facts),
    ...signatureChecks(database),
    ...keyChecks(database, facts.now),
    ...probationChecks(database),
    clockCheck(facts, rows),
    softwareCheck(facts, rows),
    ...releasesCheck(database.rows),
    reachCheck(facts, rows),
    ...shardChecks(facts.shardHosts, rows, database.controls),
    troubleCheck(rows, facts.now),
    rolloutCheck(database, rows, facts.now),
    ...neighbourChecks(database.neighbours, database.rows),
  ]
}

function serverCheck({ server, system }: DoctorFacts): Check {
  if (server === undefined || !('value' in server)) {
    const why = server === undefined ? 'not asked' : `${server.code}: ${server.message}`
    return failure(upgradeServer, why, `start one for system ${system}: nothing is installed and nothing ordered meanwhile`)
  }
  const { servers, version } = server.value
  const who = servers === null ? 'one answers' : `${servers} ${servers === 1 ? 'answers' : 'answer'}`
  return ok(upgradeServer, `${who}, newest version ${version}`)
}

function historyCheck({ server }: DoctorFacts, { version, digest, forks }: DatabaseFacts): Check {
  const name = 'history'
  if (forks.length > 0)
    return failure(
      name,
      `version ${forks.join(', ')} has two manifests`,
      'natsctl history --verify, then remove it from table theseus-forks',
    )
  if (server === undefined || !('value' in server)) return ok(name, `newest version ${version} in the upgrade database`)
  const { value } = server
  if (value.version === version && value.digest === digest)
    return ok(name, `upgrade server and database agree on version ${version}`)
  const found = `the upgrade server has version ${value.version}, the database ${version}`
  return failure(
    name,
    value.version === version ? `version ${version} has two digests` : found,
    'do both use the same Redis? Compare their addresses',
  )
}

function signatureChecks({ version, unverified, signedBy = [] }: DatabaseFacts): readonly Check[] {
  const name = 'signatures'
  const by = signedBy.length === 0 ? '' : `; the newest is signed by ${signedBy.join(' and ')}`
  if (unverified === undefined) return version === 0 ? [] : [ok(name, `${count(version, 'version')} verified${by}`)]
  if (unverified.kind === 'unasked') return [warning(name, `not verified: ${count(version, 'version')}`, trustAdvice)]
  return [failure(name, unverified.why, 'natsctl history --verify: install nothing until it is known who wrote this')]
}

/** Of keys that have an end: a system whose keys have all ended can't be upgraded, nor given other keys. */
function keyChecks({ trusted }: DatabaseFacts, now: number): readonly Check[] {
  if (trusted === undefined || trusted.keys.every(({ until }) => until === undefined)) return []
  const name = 'keys'
  const most = Math.max(1, ...Object.values(trusted.need))
  const left = (inMs: number) => {
    const at = new Date(now + inMs).toISOString()
    return trusted.keys.filter((key) => !hasEnded(key, { createdAt: at })).length
  }
  const [ended, soon] = [trusted.keys.length - left(0), left(0) - left(keysEndMs)]
  const found = `${count(left(0), 'key')} of ${trusted.keys.length} may sign, ${soon} of them no more in ${keysEndDays} days; ${most} have to`
  if (left(0) < most)
    return [
      failure(name, found, 'nothing can be signed: give later ends in the trust root everywhere, unless an upgrade has set them'),
    ]
  if (left(keysEndMs) < most) return [warning(name, found, 'natsctl upgrader set, with later ends, while there are enough')]
  return [ok(name, ended + soon === 0 ? `${count(left(0), 'key')} may sign, ${most} have to` : found)]
}

function clockCheck({ skews, redis }: DoctorFacts, rows: readonly NodeRow[]): Check {
  const name = 'clocks'
  const off = skews.filter(({ min, max }) => min > skewMsMax || max < -skewMsMax)
  const told = `${count(skews.length, 'clock')} within ${skewMsMax / 1000} s of this machine’s`
  if (off.length === 0) return skews.length === 0 && 'value' in redis ? ok(name, 'none could be asked') : ok(name, told)
  const hosts = new Set(off.filter(({ of }) => of.startsWith('host ')).map(({ of }) => of.slice('host '.length)))
  const nodes = rows.filter(({ hostId }) => hosts.has(hostId)).map(({ nodeId }) => nodeId)
  const all = off.length === skews.length && off.length > 1 ? ' (all of them: is it this machine’s?)' : ''
  return warning(
    name,
    `${nameList(off.map(skewText))}${all}`,
    'set the clocks by NTP: the times of phases and deaths can’t be compared',
    nodes,
  )
}

/** The least that it can be. */
function skewText({ of, min, max }: Skew): string {
  return min > 0 ? `${of} is ${age(min)} ahead` : `${of} is ${age(-max)} behind`
}

function softwareCheck({ nats }: DoctorFacts, rows: readonly NodeRow[]): Check {
  const name = 'Theseus'
  const hosts = 'value' in nats ? nats.value.hosts : []
  if (hosts.length === 0) return ok(name, 'the hosts do not tell which they run: discovery is off, or the login may not ask')
  const versions = [...Map.groupBy(hosts, ({ software }) => software)].sort(([a], [b]) => (a < b ? -1 : 1))
  const text = versions.map(([software, of]) => `${software} on ${nameList(of.map(({ hostId }) => hostId))}`).join('; ')
  if (versions.length === 1) return ok(name, text)
  const newest = versions.at(-1)![0]
  const others = new Set(hosts.filter(({ software }) => software !== newest).map(({ hostId }) => hostId))
  const nodes = rows.filter(({ hostId }) => others.has(hostId)).map(({ nodeId }) => nodeId)
  return warning(name, text, 'install the same on all hosts, one host after the other', nodes)
}

/** Said while it is so. */
function probationChecks({ doubt }: DatabaseFacts): readonly Check[] {
  if (doubt === undefined) return []
  const found = {
    restarted: 'on probation: Redis has restarted',
    lost: 'on probation: Redis has lost what it had, or is an older copy',
    silent: 'on probation: no host could reach it for a while',
  }[doubt]
  const advice =
    'it ends one lease after all hosts have told of their nodes: no version dies and no permit is given out until then'
  return [warning('upgrade database', found, advice)]
}

function reachCheck({ hosts, system, twins = [] }: DoctorFacts, rows: readonly NodeRow[]): Check {
  const name = 'nodes'
  const [twin] = twins
  if (twin !== undefined) {
    const others = twins.length === 1 ? '' : `, and ${twins.length - 1} more`
    const found = `node ${twin.nodeId} runs on hosts ${twin.hosts.join(' and ')}${others}: each carries out its commands`
    const advice =
      'stop all but one of these hosts: one has a copy of the other’s state directory, or its node was forgotten while it ran'
    return warning(
      name,
      found,
      advice,
      twins.map(({ nodeId }) => nodeId),
    )
  }
  const away = rows.filter((row) => !row.alive && !mayBeAsleep(row))
  const silent = hosts === undefined ? [] : rows.filter(({ alive, hostId }) => alive && !hosts.includes(hostId))
  // The name of the system may be mistyped, or Redis may have been emptied: both look like this.
  if (rows.length === 0)
    return failure(name, `system ${system} has no registered nodes`, 'start its hosts; is this its name, and this its Redis?')
  if (away.length > 0) {
    const [host] = [...new Set(away.map(({ hostId }) => hostId))]
    const found = `${away.length} of ${count(rows.length, 'node')} not heard of: ${nameList(away.map(({ nodeId }) => nodeId))}`
    const advice = `start host ${host} again; natsctl node forget, for those that will not come back`
    return warning(name, found, advice, ids([...away, ...silent]))
  }
  if (silent.length > 0) {
    const found = `${nameList([...new Set(silent.map(({ hostId }) => `host ${hostId}`))])} reach Redis and do not answer over NATS`
    return warning(name, found, 'look at their logs, and at their login to NATS', ids(silent))
  }
  const asleep = rows.filter(mayBeAsleep).length
  return ok(name, `${count(rows.length, 'node')}, all heard of${asleep === 0 ? '' : ` or asleep (${asleep})`}`)
}

function troubleCheck(rows: readonly NodeRow[], now: number): Check {
  const name = 'trouble'
  const troubled = rows.filter(({ phase }) => phase === 'stalled' || phase === 'rejected' || phase === 'failed')
  const [first] = troubled.toSorted((a, b) => a.since - b.since)
  if (first === undefined) return ok(name, 'no node is stalled, rejected or failed')
  const why = first.reason === null ? '' : `: ${first.reason}`
  const longest = `${first.nodeId} is ${first.phase} for ${age(now - first.since)}${why}`
  const others = troubled.length === 1 ? '' : `${count(troubled.length, 'node')}, ${nameList(ids(troubled))}; `
  const advice =
    first.phase === 'failed'
      ? `natsctl explain ${first.nodeId}`
      : `remove the cause, then natsctl rollout retry ${first.target ?? ''}`.trimEnd()
  return warning(name, `${others}${longest}`, advice, ids(troubled))
}

function rolloutCheck({ version, final, controls, newest }: DatabaseFacts, rows: readonly NodeRow[], now: number): Check {
  const name = 'versions'
  if (version === 0) return ok(name, 'version 0: nothing is published')
  const behind = rows.filter((row) => row.version < version)
  const pause = controls.find((control) => control.kind === 'pause' && control.version === version)
  if (behind.length > 0 && pause?.kind === 'pause') {
    const why = pause.reason === '' ? '' : `: ${pause.reason}`
    return warning(name, `version ${version} is paused for ${age(now - pause.since)}${why}`, `natsctl rollout resume ${version}`)
  }
  if (behind.length > 0) return ok(name, `${count(behind.length, 'node')} on the way to version ${version}`)
  const since = newest === undefined ? Number.NaN : Date.parse(newest.createdAt)
  if (final < version && now - since > notFinalMs) {
    const found = `version ${version} is everywhere, for ${age(now - since)} the newest, and not final: nodes keep what only an undo needs`
    return warning(name, found, `natsctl version finalize ${version}`)
  }
  if (rows.length === 0) return ok(name, `version ${version} is the newest, and no node runs it`)
  return ok(name, `all nodes at version ${version}${final >= version ? ', which is final' : ''}`)
}

function ids(rows: readonly NodeRow[]): readonly string[] {
  return rows.map(({ nodeId }) => nodeId)
}
