/** A directory and a sharded service are copied while hosts serve, and restored, on real servers. */
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { connect } from 'nats'
import { command, createHost, NodeObject, query } from 'theseus-actors'
import { readRecordedCalls } from 'theseus-actors/build'
import { jetStreamLogs } from 'theseus-actors/jetstream'
import { lmdb } from 'theseus-actors/lmdb'
import { memoryStore } from 'theseus-actors/memory'
import { digestOf } from '../../core/base/digest.js'
import { CopyWriter } from '../../natsctl/state/copyFile.js'
import { encodeCopyRecord } from '../../natsctl/state/copyFormat.js'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'
import { newDirectory } from './natsctlProcess.js'
import { runnerOf, startServer, systemsOf } from './natsctlSystem.js'

class TillV1 extends NodeObject<{ sum: number }> {
  static override readonly className: string = 'Till.v1'
  static override initial() {
    return { sum: 0 }
  }
  @command pay(amount: number): number {
    this.state.sum += amount
    return this.state.sum
  }
  @query sum(): number {
    return this.state.sum
  }
}

class BasketV1 extends TillV1 {
  static override readonly className = 'Basket.v1'
  static override readonly shards = 4
}

const nextSystem = systemsOf('state')
/** Leases end soon. */
const settings = {
  leaseMs: 1_000,
  shardLeaseMs: 1_000,
  shardGuardMs: 200,
  shardOfferMs: 100,
  shardSettleMs: 100,
  shardSuccessorMs: 300,
}

async function tills(t: ExecutionContext) {
  const at = nextSystem()
  await startServer(t, at)
  const parent = newDirectory(t)
  const start = async (directory: string, more: { recordedCalls?: 'anyone' } = {}) => {
    const options = { hostId: 'h1', state: lmdb(directory), bundles: newDirectory(t), settings: { ...settings, ...more } }
    const host = await createHost({ system: at.system, ...at.ways, ...options })
    t.teardown(() => host.stop())
    await host.node(TillV1, 't1')
    return host
  }
  return { at, parent, start, directory: join(parent, 'state'), file: join(parent, 'h1.copy'), ...runnerOf(t, at.env, parent) }
}

test('a directory is copied while its host serves, and a new one is made of the copy when the host is gone', async (t) => {
  const { start, directory, file, json, run, parent } = await tills(t)
  const host = await start(directory)
  const till = host.ref(TillV1, 't1')
  await till.pay(7)
  const told = await json('backup', 'h1.copy', '--directory', directory)
  t.like(told, { file: 'h1.copy', kind: 'directory', bytes: statSync(file).size, digest: digestOf(readFileSync(file)) })
  t.is(statSync(file).mode & 0o777, 0o600)
  t.is(await till.pay(1), 8)
  const made = join(parent, 'made')
  const alive = await run('restore', 'h1.copy', '--directory', made, '--yes')
  t.is(alive.code, 1)
  t.regex(alive.stderr, /^nothing is restored: 1 node of the copy is alive: t1 on h1; stop the hosts first/m)
  t.false(existsSync(made))
  await host.stop()
  await until(async () => (await json('node', 'ls'))[0].alive === false, 'its lease has run out')
  t.regex((await run('restore', 'h1.copy', '--yes')).stderr, /say where it goes, with --directory/)
  t.regex((await run('restore', 'h1.copy', '--directory', directory, '--yes')).stderr, /there is something in .*state already/)
  t.regex((await run('restore', 'h1.copy', '--directory', made, '--yes', '--digest', '0'.repeat(64))).stderr, /has the digest/)
  t.regex((await run('restore', 'h1.copy', '--directory', made)).stderr, /as of .*: give --yes/)
  t.like(await json('restore', 'h1.copy', '--directory', made, '--dry-run'), { nodes: 1, dryRun: true })
  t.false(existsSync(made))
  t.like(await json('restore', 'h1.copy', '--directory', made, '--yes', '--digest', told.digest), { kind: 'directory', nodes: 1 })
  const again = await start(made)
  t.is(await again.ref(TillV1, 't1').sum(), 7)
})

test('calls are recorded while a host serves, for as long as the order says, and nothing where no host follows it', async (t) => {
  const { start, directory, file, json, run, parent } = await tills(t)
  const host = await start(directory)
  t.regex((await run('record', 'a.calls')).stderr, /this records arguments and answers of calls to all services .*: give --yes/)
  const refused = await run('record', 'a.calls', '--yes', '--for', '30s')
  t.is(refused.code, 1)
  t.regex(refused.stderr, /nothing was recorded: 1 host refused; h1: .*nobody signs in this system/)
  t.false(existsSync(join(parent, 'a.calls')))
  await host.stop()
  const open = await start(directory, { recordedCalls: 'anyone' })
  const till = open.ref(TillV1, 't1')
  const paying = setInterval(() => void till.pay(7), 20)
  t.teardown(() => clearInterval(paying))
  const told = await json('record', 'a.calls', '--yes', '--calls', '5', '--mask', 'pay/1', 'pay/answer')
  clearInterval(paying)
  t.like(told, { file: 'a.calls', calls: 5, nodes: 1, hosts: 1, lost: 0, refused: {} })
  t.is(statSync(join(parent, 'a.calls')).mode & 0o777, 0o600)
  const { calls, masked } = await readRecordedCalls(join(parent, 'a.calls'))
  t.deepEqual(masked, ['pay/1', 'pay/answer'])
  t.deepEqual(
    calls.map(({ node, className, method, host: at, number }) => [node, className, method, at, number]),
    [1, 2, 3, 4, 5].map((number) => ['t1', 'Till.v1', 'pay', 'h1', number]),
  )
  t.not(calls[0]!.args[0], 7)
  t.false(existsSync(file))
})

test('a copy that is damaged, cut off, or something else is refused before anything is done', async (t) => {
  const { start, directory, file, json, run, parent } = await tills(t)
  const host = await start(directory)
  await host.ref(TillV1, 't1').pay(7)
  await host.stop()
  await json('backup', 'h1.copy', '--directory', directory)
  const whole = readFileSync(file)
  const made = join(parent, 'made')
  const changed = Buffer.from(whole)
  changed[whole.length - 200]! ^= 1
  for (const [bytes, reason] of [
    [whole.subarray(0, whole.length - 10), /this is no copy of state: it is cut off/],
    [whole.subarray(0, whole.length - 1 - encodeCopyRecord({ kind: 'end', digest: '0'.repeat(64) }).length), /cut off/],
    [changed, /config\.invalid: this is no copy of state/],
    [Buffer.concat([whole, whole.subarray(8)]), /its records are in no order/],
    [Buffer.from('something else'), /this is no backup|takes no --directory/],
  ] as const) {
    writeFileSync(file, bytes)
    const refused = await run('restore', 'h1.copy', '--directory', made, '--yes')
    t.not(refused.code, 0)
    t.regex(refused.stderr, reason)
    t.false(existsSync(made))
  }
  t.regex((await run('restore', 'missing.copy', '--directory', made, '--yes')).stderr, /can't read missing\.copy/)
  t.regex((await run('backup', 'h1.copy', '--directory', parent)).stderr, /is no state directory/)
  t.regex((await run('backup', 'h1.copy', '--directory', directory, '--service', 'x')).stderr, /not both/)
})

test('a sharded service is copied while its hosts serve, and restored when they have stopped: into its logs, or into new ones', async (t) => {
  const system = 'baskets'
  const [natsServer, redisServer] = await Promise.all([
    startNatsServer({ args: ['--jetstream', '--store_dir', 'jetstream'] }),
    startRedisServer(),
  ])
  t.teardown(() => Promise.all([natsServer.stop(), redisServer.stop()]))
  const env = { NATS_URL: natsServer.url, THESEUS_REDIS: redisServer.url, THESEUS_SYSTEM: system }
  const { nats } = await import('theseus-actors/nats')
  const { redis } = await import('theseus-actors/redis')
  const ways = { transport: nats(natsServer.url), udb: redis(redisServer.url) }
  await startServer(t, { system, ways, env })
  const states = new Map([...'ab'].map((hostId) => [hostId, memoryStore()]))
  const start = async (hostId: string) => {
    const shards = jetStreamLogs({ system, servers: natsServer.url, replicas: 1, onWarning: () => {} })
    t.teardown(() => shards.close())
    const options = { hostId, state: states.get(hostId)!, bundles: newDirectory(t), shards, settings }
    const host = await createHost({ system, ...ways, ...options })
    t.teardown(() => host.stop())
    await host.offer(BasketV1)
    await until(() => host.shards.length === 4, 'the host has all shards')
    return host
  }
  const cwd = newDirectory(t)
  const { run, json } = runnerOf(t, env, cwd)
  const first = await start('a')
  const ids = Array.from({ length: 12 }, (_, i) => `b${i}`)
  for (const id of ids) await first.ref(BasketV1, id).pay(1)
  const told = await json('backup', 'baskets.copy', '--service', 'basket')
  t.like(told, { kind: 'service', system, service: 'basket', shards: 4 })
  for (const id of ids) await first.ref(BasketV1, id).pay(10)
  await first.ref(BasketV1, 'later').pay(5)
  const owned = await run('restore', 'baskets.copy', '--yes')
  t.is(owned.code, 1)
  t.regex(owned.stderr, /shard 0 of basket has an owner, a: nothing is restored\. Stop all hosts that offer basket/)
  await first.stop()
  t.like(await json('restore', 'baskets.copy', '--dry-run'), { nodes: 12, dryRun: true })
  t.like(await json('restore', 'baskets.copy', '--yes'), { nodes: 12, service: 'basket' })
  const again = await start('a')
  for (const id of ids) t.is(await again.ref(BasketV1, id).sum(), 1)
  await t.throwsAsync(async () => again.ref(BasketV1, 'later').sum(), { code: 'unavailable.no-such-node' } as never)
  for (const id of ids) t.is(await again.ref(BasketV1, id).pay(1), 2)
  await again.stop()
  // All streams are lost, and the host's copy is newer than all that is there.
  const operator = await connect({ servers: natsServer.url })
  t.teardown(() => operator.close())
  const streams = (await operator.request('$JS.API.STREAM.NAMES')).json<any>().streams as string[]
  for (const stream of streams) await operator.request(`$JS.API.STREAM.DELETE.${stream}`)
  t.regex((await run('backup', 'none.copy', '--service', 'basket')).stderr, /there are no logs of a service "basket"/)
  t.regex((await run('restore', 'baskets.copy', '--yes')).stderr, /have to be made: say with how many --replicas/)
  await json('restore', 'baskets.copy', '--yes', '--replicas', '1')
  for (const hostId of ['a', 'b']) {
    const host = await start(hostId)
    for (const id of ids) t.is(await host.ref(BasketV1, id).sum(), 1, `${id} on ${hostId}`)
    await host.stop()
  }
  // A copy of a time when one log was there, and nothing in it.
  const of = { kind: 'service', system, service: 'basket', shards: 1 } as const
  const early = await CopyWriter.begin(join(cwd, 'early.copy'), { takenAt: 0, of }, true)
  await early.append({ kind: 'part', part: 0 })
  await early.append({ kind: 'whole', number: 1 })
  await early.finish()
  await json('restore', 'early.copy', '--yes')
  const last = await start('a')
  for (const id of ids)
    await t.throwsAsync(async () => last.ref(BasketV1, id).sum(), { code: 'unavailable.no-such-node' } as never)
})
