/** The checks of NATS and Redis, and of what the login may do there. Pure. */
import type { NodeRow } from 'theseus-actors'
import { type Check, failure, nameList, ok, warning } from './doctorCheck.js'
import type { DoctorFacts } from './doctorFacts.js'

const oldestRedis = [6, 2]

export function natsCheck({ nats, natsAddress }: DoctorFacts): Check {
  if (!('value' in nats)) return failure('NATS', nats.message, 'is it running, is the address right, and the login?')
  const { version, server, roundTripMs, isEncrypted } = nats.value
  const found = `nats-server ${version} at ${server}, ${roundTripMs.toFixed(1)} ms, ${isEncrypted ? 'TLS' : 'no TLS'}`
  if (isEncrypted || isLocal(natsAddress)) return ok('NATS', found)
  return warning('NATS', found, 'anybody on the way reads and writes calls: docs/security.md tells how to use TLS')
}

export function redisCheck({ redis, redisAddress }: DoctorFacts): Check {
  if (!('value' in redis)) return failure('Redis', redis.message, 'is it running, is the address right, and the login?')
  const { version, roundTripMs, isEncrypted } = redis.value
  const found = `Redis ${version} at ${redisAddress}, ${roundTripMs.toFixed(1)} ms, ${isEncrypted ? 'TLS' : 'no TLS'}`
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (version !== '?' && (major < oldestRedis[0]! || (major === oldestRedis[0] && minor < oldestRedis[1]!)))
    return failure('Redis', found, `use Redis ${oldestRedis.join('.')} or newer`)
  if (isEncrypted || isLocal(redisAddress)) return ok('Redis', found)
  return warning('Redis', found, 'anybody on the way reads and writes it: docs/security.md tells how to use TLS')
}

function isLocal(address: string): boolean {
  return address.split(/, ?/).every((one) => /^([\w-]+:\/\/)?(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|\/|$)/.test(one))
}

export function persistenceCheck(redis: Extract<DoctorFacts['redis'], { value: unknown }>['value']): Check {
  const { keepsAppendOnlyFile, maxmemoryPolicy, maxmemoryBytes } = redis
  const name = 'Redis keeps'
  if (keepsAppendOnlyFile === null || maxmemoryPolicy === null)
    return warning(name, 'the login may not ask (INFO)', 'look there: appendonly yes, maxmemory-policy noeviction')
  const found = `appendonly ${keepsAppendOnlyFile ? 'yes' : 'no'}, maxmemory-policy ${maxmemoryPolicy}`
  if (maxmemoryPolicy !== 'noeviction') {
    const advice = 'set maxmemory-policy noeviction: Redis would evict the history of upgrades'
    return maxmemoryBytes > 0 ? failure(name, found, advice) : warning(name, found, advice)
  }
  return keepsAppendOnlyFile ? ok(name, found) : warning(name, found, 'set appendonly yes: the history is lost when Redis ends')
}

/** Only where somebody waits for replicas, or there are some. */
export function replicasCheck({
  replicas,
  waitReplicas,
}: Extract<DoctorFacts['redis'], { value: unknown }>['value']): readonly Check[] {
  const name = 'Redis replicas'
  if (replicas === null)
    return waitReplicas === 0 ? [] : [warning(name, 'the login may not ask (INFO)', 'look there: INFO replication')]
  if (waitReplicas === 0 && replicas === 0) return []
  const found = `${replicas} connected, ${waitReplicas} waited for`
  if (replicas < waitReplicas)
    return [
      failure(name, found, 'nothing is installed, and a fail-over would lose orders: start the replicas, or look at their logs'),
    ]
  if (waitReplicas === 0) return [warning(name, found, 'a fail-over may lose orders: add ?waitReplicas=1 to the URL of Redis')]
  return [ok(name, found)]
}

export function redisPermissions({ refused }: Extract<DoctorFacts['redis'], { value: unknown }>['value']): Check {
  const name = 'Redis permissions'
  if (refused.length === 0) return ok(name, 'reads, and forgets nodes')
  const what = refused.map((one) => one.what).join(', ')
  return failure(name, `the login may not ${what}: ${refused[0]!.why}`, 'give it the operator’s ACL of docs/security.md')
}

/** Said while it is so. */
export function functionsCheck({
  withoutFunctions,
}: Extract<DoctorFacts['redis'], { value: unknown }>['value']): readonly Check[] {
  if (withoutFunctions === undefined) return []
  const advice = 'start an upgrade server of this release; its login needs +function|load, as docs/security.md has it'
  return [failure('Redis functions', withoutFunctions, advice)]
}

export function natsPermissions({ install, calls, hosts, objections }: DoctorFacts): Check {
  const name = 'NATS permissions'
  const advice = 'give it the operator’s permissions of docs/security.md'
  if (objections.length > 0) {
    // One may be told again, with others: a subject that is refused is asked for again.
    const told = objections.flatMap((objection) => objectionText(objection).split('; '))
    return failure(name, [...new Set(told)].join('; '), advice)
  }
  if (install !== undefined && !('value' in install) && install.code === 'timeout.deadline')
    return failure(name, 'orders and upgrades get no answer: the login may not publish them, or hear the answer', advice)
  if (calls !== undefined && !('value' in calls) && calls.code === 'timeout.deadline')
    return failure(name, 'calls get no answer: the login may not make them, or hear the answer', advice)
  return ok(name, `asks, orders, calls${hosts === undefined ? '' : ', looks'}`)
}

/** Hosts whose own login has too narrow permissions. Said while it is so. */
export function deafHosts({ nats }: DoctorFacts, rows: readonly NodeRow[]): readonly Check[] {
  const deaf = 'value' in nats ? nats.value.hosts.filter(({ refused }) => refused.length > 0) : []
  if (deaf.length === 0) return []
  const found = deaf.map(({ hostId, refused }) => `NATS does not let host ${hostId} listen on ${nameList(refused)}`).join('; ')
  const ids = new Set(deaf.map(({ hostId }) => hostId))
  const nodes = rows.filter(({ hostId }) => ids.has(hostId)).map(({ nodeId }) => nodeId)
  const advice = 'correct the permissions of the hosts’ login, as docs/security.md lists them: the hosts ask again'
  return [{ ...failure('hosts’ permissions', found, advice), nodes }]
}

/** A part that is chosen anew each time is told as the permissions write it. */
function objectionText(objection: string): string {
  const [, operation, subject] = /"operation":"(\w+)","subject":"([^"]+)"/.exec(objection) ?? []
  if (operation !== undefined && subject !== undefined)
    return operation === 'publish'
      ? `the login may not publish to ${meant(subject)}`
      : `the login may not subscribe to ${meant(subject)}`
  const [, subjects] = /^NATS refuses to let this login listen on (.+): correct its permissions/.exec(objection) ?? []
  if (subjects === undefined) return objection
  return subjects
    .split(', ')
    .map((each) => `the login may not subscribe to ${meant(each)}`)
    .join('; ')
}

function meant(subject: string): string {
  return subject.replace(/\.looker\.\w+$/, '.looker.*').replace(/^_INBOX\.\w+\.\*$/, '_INBOX.*.*')
}
