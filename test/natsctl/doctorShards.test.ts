/** The check of sharded services that `natsctl doctor` makes, as hosts tell of them. */
import test from 'ava'
import type { HostOffer, Placement } from 'theseus-actors/operator'
import { shardChecks } from '../../natsctl/doctor/doctorShards.js'
import { statusOf } from '../contracts/databaseContract.js'

const none = { promised: [], followed: [], waits: null, troubles: [] }
const service = { service: 'cart', shards: 4, capacity: 1, owned: [0, 1], positions: [5, 6], ...none }
const host = (hostId: string, change: Partial<typeof service> | object = {}): HostOffer => ({
  ...{ hostId, start: `${hostId}-1`, isLeaving: false, asks: false },
  services: [{ ...service, ...change }],
})
const row = (nodeId: string, shard: number) => ({ ...statusOf(nodeId, { service: 'cart' }), shard, alive: true })
const both = [host('a'), host('b', { owned: [2, 3] })]

test('all is well while each shard has an owner', (t) => {
  t.deepEqual(shardChecks(both, [row('c1', 3)], []), [
    { check: 'shards', status: 'ok', found: '4 shards of cart on 2 hosts, each with an owner', advice: null, nodes: [] },
  ])
})

test('a system without sharded services has no such check', (t) => {
  t.deepEqual(shardChecks([], [{ ...statusOf('n1'), alive: true }], []), [])
  t.deepEqual(shardChecks(undefined, [], []), [])
})

test('nodes of sharded services of which no host tells are a failure', (t) => {
  const [check] = shardChecks([], [row('c1', 3), row('c2', 1)], [])
  t.like(check, { status: 'failure', found: 'no host tells of the sharded services cart: 2 nodes of them' })
})

test('a shard without an owner is told with its nodes', (t) => {
  const [check, ...others] = shardChecks([host('a')], [row('c1', 3), row('c2', 1)], [])
  t.like(check, { status: 'warning', found: '2 of 4 shards without an owner: cart 2, cart 3', nodes: ['c1'] })
  t.deepEqual(others, [])
})

test('a host that takes no shards, and one that can’t run a shard, say why', (t) => {
  const waiting = host('c', { owned: [], positions: [], capacity: 0, waits: 'no bundle' })
  const troubled = host('b', { owned: [2, 3], troubles: [{ shard: 2, reason: 'nothing was appended' }] })
  const found = shardChecks([host('a'), troubled, waiting], [], []).map((check) => check.found)
  t.deepEqual(found, ['host b, shard 2 of cart: nothing was appended', 'host c takes no shards of cart: no bundle'])
})

test('an order for a host that has stopped since is told, and how to take it back', (t) => {
  const placement = (start: string): Placement => ({
    ...{ kind: 'place', service: 'cart', shard: 1, hostId: 'a', start, reason: '', since: 1 },
  })
  const [gone] = shardChecks(both, [], [placement('a-0')])
  t.like(gone, { status: 'warning', found: 'shard 1 of cart was moved to host a, which has stopped since: hashing decides' })
  t.regex(gone!.advice!, /natsctl shard release cart 1/)
  t.like(shardChecks(both, [], [placement('a-1')])[0], { status: 'ok' })
})
