/**
 * `natsctl restore` of a copy of state: makes a directory of it, or puts it in the place of a service's
 * shards. All of the file is verified before anything is done.
 *
 * - No node of the copy may be alive, by the upgrade database; a shard that has an owner is not touched.
 * - A directory gets its name when it is whole. A shard changes with one entry of its log.
 */
import type { Operator } from 'theseus-actors'
import { makeDirectory } from 'theseus-actors/lmdb'
import { isDigest, type ShardLogs, type ShardReplacement } from 'theseus-actors/operator'
import { withOperator } from '../context/connection.js'
import { dryRunField } from '../context/orders.js'
import { requireConfirmation } from '../output/confirm.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { count, note, print } from '../output/output.js'
import { failed, noteWarning, type StateFlags, textOf } from './backupState.js'
import { CopyReader } from './copyFile.js'
import type { CopiedState } from './copyFormat.js'
import { withShardLogs } from './shardLogs.js'

export interface RestoreStateFlags extends StateFlags {
  readonly digest?: string
  readonly yes?: true
  readonly replicas?: string
}

const shownMax = 10

export async function restoreState(file: string, flags: RestoreStateFlags): Promise<ExitCode> {
  if (flags.digest !== undefined && !isDigest(flags.digest)) throw usageFailure('--digest is no digest: 64 hexadecimal digits')
  const copy = await CopyReader.open(file).catch(failed)
  try {
    if (flags.digest !== undefined && flags.digest !== copy.digest)
      throw new Failure(exitCodes.error, `upgrade.digest: ${file} has the digest ${copy.digest}: nothing is restored`)
    const { of } = copy.header
    return of.kind === 'directory' ? await toDirectory(file, copy, flags) : await toService(file, copy, of, flags)
  } finally {
    await copy.close()
  }
}

async function toDirectory(file: string, copy: CopyReader, flags: RestoreStateFlags): Promise<ExitCode> {
  const { directory } = flags
  const { of } = copy.header
  if (directory === undefined || of.kind !== 'directory')
    throw usageFailure(`${file} is the copy of a state directory: say where it goes, with --directory <directory>`)
  await withOperator(flags, (operator) => checkAway(operator, copy.nodeIds))
  const ended = await asked(flags, copy, `in ${directory}`)
  if (ended !== undefined) return ended
  if (flags.dryRun !== true) await makeDirectory(directory, of.directoryId, copy.writes(0)).catch(failed)
  tell(file, copy, flags)
  return exitCodes.done
}

/** A node that is alive would be in two places. */
async function checkAway({ database }: Operator, nodeIds: readonly string[]): Promise<void> {
  const ids = new Set(nodeIds)
  const alive = (await database.nodes()).filter((row) => row.alive && ids.has(row.nodeId))
  if (alive.length === 0) return
  const some = alive.slice(0, shownMax).map(({ nodeId, hostId }) => `${nodeId} on ${hostId}`)
  const more = alive.length > shownMax ? `, and ${alive.length - shownMax} more` : ''
  const advice = 'stop the hosts first, and wait until their leases have run out'
  throw new Failure(
    exitCodes.error,
    `nothing is restored: ${count(alive.length, 'node')} of the copy ${alive.length === 1 ? 'is' : 'are'} alive: ${some.join(', ')}${more}; ${advice}`,
  )
}

type ServiceState = Extract<CopiedState, { readonly kind: 'service' }>

async function toService(file: string, copy: CopyReader, of: ServiceState, flags: RestoreStateFlags): Promise<ExitCode> {
  if (flags.directory !== undefined) throw usageFailure(`${file} is the copy of a sharded service: it goes to no --directory`)
  const replicas = replicasIn(flags)
  let ended: ExitCode | undefined
  await withOperator(flags, async (operator, system) => {
    if (system !== of.system) throw usageFailure(`${file} is of system ${of.system}, not of ${system}`)
    const owned = (await operator.shards()).find(({ service, host }) => service === of.service && host !== null)
    if (owned !== undefined) throw isOwned(owned.shard, of.service, owned.host!)
    await withShardLogs(flags, replicas ?? 1, async (logs) => {
      await checkLogs(logs, copy, of, replicas)
      ended = await asked(flags, copy, 'in the place of what is there')
      if (ended !== undefined) return
      const shards = await opened(copy, of, logs, operator)
      await checkFree(shards, of)
      if (flags.dryRun !== true) await replace(copy, shards, of)
      tell(file, copy, flags)
    })
  }).catch(failed)
  return ended ?? exitCodes.done
}

async function checkLogs(logs: ShardLogs, { parts }: CopyReader, of: ServiceState, replicas: number | undefined): Promise<void> {
  const there = await logs.shardsOf(of.service)
  if (replicas === undefined && parts.some((shard) => !there.includes(shard)))
    throw usageFailure(`logs of ${of.service} are not there, and have to be made: say with how many --replicas`)
}

type Shards = ReadonlyMap<number, ShardReplacement>

/** A shard whose log was made since the copy had no state then: it has none again. */
async function opened({ parts }: CopyReader, { service }: ServiceState, logs: ShardLogs, operator: Operator): Promise<Shards> {
  const shards = new Map<number, ShardReplacement>()
  for (const shard of new Set([...parts, ...(await logs.shardsOf(service))])) {
    const log = await logs.open(service, shard)
    shards.set(shard, operator.shardReplacement(log, `shard ${shard} of ${service}`, noteWarning))
  }
  return shards
}

async function checkFree(shards: Shards, { service }: ServiceState): Promise<void> {
  note('looking whether the shards have owners: up to a lease where one has not been released')
  const looks = await Promise.all([...shards].map(async ([shard, each]) => [shard, await each.isFree()] as const))
  const owned = looks.find(([, isFree]) => !isFree)
  if (owned !== undefined) throw isOwned(owned[0], service, 'a host')
}

/** Either all are claimed, or none is changed. */
async function replace(copy: CopyReader, shards: Shards, { service }: ServiceState): Promise<void> {
  const claimed: ShardReplacement[] = []
  try {
    for (const [shard, each] of shards) {
      if (!(await each.claim())) throw isOwned(shard, service, 'a host')
      claimed.push(each)
    }
    let restored = 0
    for (const [shard, each] of shards) {
      if (!(await each.put(copy.writes(shard), copy.numberOf(shard)))) throw takenMeanwhile(shard, service, restored, shards.size)
      restored++
    }
  } finally {
    await Promise.all(claimed.map((each) => each.release()))
  }
}

function isOwned(shard: number, service: string, host: string): Failure {
  const advice = `nothing is restored. Stop all hosts that offer ${service}, and give the order again`
  return new Failure(exitCodes.error, `shard ${shard} of ${service} has an owner, ${host}: ${advice}`)
}

function takenMeanwhile(shard: number, service: string, restored: number, all: number): Failure {
  const done = `${restored} of ${all} shards are restored. Stop the hosts, and give the order again`
  return new Failure(exitCodes.error, `another has taken shard ${shard} of ${service}: ${done}`)
}

function replicasIn({ replicas }: RestoreStateFlags): number | undefined {
  if (replicas === undefined) return undefined
  if (/^[1-5]$/.test(replicas)) return Number(replicas)
  throw usageFailure('--replicas is 1, 3 or 5')
}

function asked(flags: RestoreStateFlags, { header, nodeIds }: CopyReader, where: string): Promise<ExitCode | undefined> {
  if (flags.dryRun === true) return Promise.resolve(undefined)
  const what = `${textOf(header.of)} with ${count(nodeIds.length, 'node')}, as of ${instant(header.takenAt)}, ${where}`
  return requireConfirmation(flags, {
    does: `restores ${what}`,
    question: `Restore ${what}?`,
    refused: 'nothing was restored',
  })
}

function tell(file: string, { header, digest, nodeIds }: CopyReader, flags: RestoreStateFlags): void {
  const { of, takenAt } = header
  show(flags.output, {
    table: () =>
      print(
        `${flags.dryRun === true ? 'would restore' : 'restored'} ${textOf(of)}: ${count(nodeIds.length, 'node')}, as of ${instant(takenAt)}`,
      ),
    document: () => ({ file, digest, ...of, takenAt: instant(takenAt), nodes: nodeIds.length, ...dryRunField(flags) }),
    names: () => nodeIds.map((nodeId) => `node/${nodeId}`),
  })
}

function instant(ms: number): string {
  return new Date(ms).toISOString()
}
