/** The check of sharded services that `doctor` makes, as hosts tell of them. Pure. */
import type { NodeRow } from 'theseus-actors'
import { type Control, type HostOffer, shardsOf } from 'theseus-actors/operator'
import { count } from '../output/output.js'
import { type Check, failure, nameList, ok, warning } from './doctorCheck.js'

const name = 'shards'

/** @param offers undefined where nobody could listen */
export function shardChecks(
  offers: readonly HostOffer[] | undefined,
  rows: readonly NodeRow[],
  controls: readonly Control[],
): readonly Check[] {
  const sharded = rows.filter(({ shard }) => shard !== undefined)
  const hosts = offers ?? []
  const shards = shardsOf(hosts)
  if (shards.length === 0) return sharded.length === 0 ? [] : [nobodyCheck(sharded)]
  const found = [...ownerlessCheck(hosts, sharded), ...hosts.flatMap(troubleChecks), ...placementChecks(hosts, controls)]
  if (found.length > 0) return found
  const services = new Set(shards.map(({ service }) => service))
  return [
    ok(
      name,
      `${count(shards.length, 'shard')} of ${[...services].join(', ')} on ${count(hosts.length, 'host')}, each with an owner`,
    ),
  ]
}

function nobodyCheck(rows: readonly NodeRow[]): Check {
  const services = [...new Set(rows.map(({ service }) => service))]
  const advice = 'start hosts that offer them; may this login subscribe to theseus.<system>.offers?'
  return failure(
    name,
    `no host tells of the sharded services ${nameList(services)}: ${count(rows.length, 'node')} of them`,
    advice,
  )
}

function ownerlessCheck(hosts: readonly HostOffer[], rows: readonly NodeRow[]): readonly Check[] {
  const shards = shardsOf(hosts)
  const ownerless = shards.filter(({ host }) => host === null)
  if (ownerless.length === 0) return []
  const names = ownerless.map(({ service, shard }) => `${service} ${shard}`)
  const isIn = (row: NodeRow) => ownerless.some(({ service, shard }) => row.service === service && row.shard === shard)
  const nodes = rows.filter(isIn).map(({ nodeId }) => nodeId)
  const found = `${ownerless.length} of ${count(shards.length, 'shard')} without an owner: ${nameList(names)}`
  const advice = 'one that was lost is claimed after its lease, 10 s; later look at the logs of hosts, and at JetStream'
  return [warning(name, found, advice, nodes)]
}

function troubleChecks({ hostId, services }: HostOffer): readonly Check[] {
  return services.flatMap(({ service, waits, troubles }) => [
    ...(waits === null
      ? []
      : [warning(name, `host ${hostId} takes no shards of ${service}: ${waits}`, 'remove the cause, or stop that host')]),
    ...troubles.map(({ shard, reason }) =>
      warning(name, `host ${hostId}, shard ${shard} of ${service}: ${reason}`, 'look at JetStream, and at the log of that host'),
    ),
  ])
}

/** An order to a host that has stopped since is no longer in force. */
function placementChecks(hosts: readonly HostOffer[], controls: readonly Control[]): readonly Check[] {
  return controls.flatMap((control) => {
    if (control.kind !== 'place') return []
    const { service, shard, hostId, start } = control
    if (hosts.some((each) => each.hostId === hostId && each.start === start)) return []
    const found = `shard ${shard} of ${service} was moved to host ${hostId}, which has stopped since: hashing decides`
    return [warning(name, found, `natsctl shard release ${service} ${shard}, or move it anew`)]
  })
}
