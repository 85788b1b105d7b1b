/**
 * `natsctl upgrade plan`, `explain`, `doctor` and `node forget` in two systems that are neighbours, with
 * servers of their own.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { createHost, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { memoryStore } from 'theseus-actors/memory'
import { StockV1 } from '../../samples/09-neighbours/stock.js'
import { TillV1 } from '../../samples/09-neighbours/till.js'
import { until } from '../support/eventually.js'
import { newDirectory, root } from './natsctlProcess.js'
import { runnerOf, type SystemOfTest, systemWithServers } from './natsctlSystem.js'

const upgrades = join(root, 'dist/samples/09-neighbours/upgrades')
const shopModule = join(root, 'samples/09-neighbours/upgrades/shop-1-orders.ts')

async function startHost(t: ExecutionContext, at: SystemOfTest, hostId: string, options: object): Promise<RunningHost> {
  const { system, ways } = at
  const server = await startUpgradeServer({ system, ...ways, deathRound: '100ms', deathDelay: '200ms', ...options })
  t.teardown(() => server.stop())
  const host = await createHost({ system, hostId, ...ways, state: memoryStore(), bundles: newDirectory(t), ...options })
  t.teardown(() => host.stop())
  return host
}

/** A context of the NATS command line for each of these, with all that natsctl keeps beside it. */
function contexts(t: ExecutionContext, ...systems: readonly SystemOfTest[]): string {
  const directory = newDirectory(t)
  const path = join(directory, 'nats/context')
  mkdirSync(join(path, 'theseus'), { recursive: true })
  for (const { system, env } of systems) {
    writeFileSync(join(path, `${system}.json`), JSON.stringify({ url: env.NATS_URL }))
    const kept = { system, redis: env.THESEUS_REDIS, trust: 'nobody' }
    writeFileSync(join(path, 'theseus', `${system}.json`), JSON.stringify(kept))
  }
  return directory
}

async function openBoth(t: ExecutionContext) {
  const [there, here] = await Promise.all([systemWithServers(t, 'warehouse'), systemWithServers(t, 'shop')])
  const warehouse = await startHost(t, there, 'w1', {})
  const stock = await warehouse.node(StockV1, 'stock')
  const shop = await startHost(t, here, 's1', { neighbours: { warehouse: { ...there.ways, trust: 'nobody' } } })
  const till = await shop.node(TillV1, 'till')
  // Classes of neighbours are of a runtime interface that release 0.1.0 does not have.
  await shop.operator.raiseLevel()
  await till.reached(1)
  const publish = (host: RunningHost, name: string) =>
    buildUpgrade(new URL(`file://${join(upgrades, name)}`)).then((built) => host.publish(built))
  return { there, here, warehouse, stock, shop, till, publish }
}

test('plan, explain and doctor know which versions of neighbours are called, by the contexts that are kept with them', async (t) => {
  const { there, here, warehouse, stock, shop, till, publish } = await openBoth(t)
  const XDG_CONFIG_HOME = contexts(t, there)
  const { run, json } = runnerOf(t, { ...here.env, XDG_CONFIG_HOME })

  const early = await run('upgrade', 'plan', shopModule)
  t.is(early.code, 3, early.stderr)
  t.regex(
    early.stdout,
    /\nrefused: Till\.v2 calls Stock\.v2 of warehouse, and no version of warehouse has that class: its newest is 0\. The upgrade of warehouse that brings Stock\.v2 must be published first\n/,
  )

  const out = join(newDirectory(t), 'tills.upgrade')
  const checked = await run('upgrade', 'build', shopModule, '--check', '--out', out)
  t.is(checked.code, 1)
  t.regex(checked.stderr, /upgrade\.neighbour: Till\.v2 calls Stock\.v2 of warehouse, and no version of warehouse has that class/)

  await publish(warehouse, 'warehouse-1-orders.js')
  t.is((await run('upgrade', 'build', shopModule, '--check', '--out', out)).code, 0)
  const planned = await run('upgrade', 'plan', shopModule)
  t.is(planned.code, 0, planned.stderr)
  t.regex(planned.stdout, /\nTill\.v2 calls Stock\.v2 of warehouse: version 1 there, which lives\n/)
  t.like(await json('upgrade', 'plan', shopModule), {
    neighbours: [
      { by: 'Till.v2', system: 'warehouse', class: 'Stock.v2', version: 1, state: 'alive', trouble: null, unknown: null },
    ],
  })

  await publish(shop, 'shop-1-orders.js')
  await till.reached(2)
  await stock.reached(1)
  t.is(await shop.ref(TillV1, 'till').sell(), 'order till-1, 19 left')
  const explained = await run('explain', 'till')
  t.regex(explained.stdout, /\n {2}Till\.v2 calls Stock\.v2 of warehouse: version 1 there, which lives\n/)
  const whole = await json('explain')
  t.deepEqual(
    whole.neighbours.map((need: { class: string; version: number }) => [need.class, need.version]),
    [
      ['Stock.v1', 0],
      ['Stock.v2', 1],
    ],
  )
  t.regex((await run('node', 'describe', 'till')).stdout, /\nuses {6}Stock\.v2 of warehouse\n/)

  const doctor = await json('doctor')
  const check = (found: any, name: string) => found.checks.find((each: { check: string }) => each.check === name)
  t.like(check(doctor, 'neighbour warehouse'), {
    status: 'ok',
    found: '2 of its classes are called, from version 0 on; the pin keeps version 0 and later ones alive',
  })
  const without = runnerOf(t, here.env)
  t.like(check(await without.json('doctor'), 'neighbour warehouse'), { status: 'warning' })
  t.regex(
    (await without.run('explain', 'till')).stdout,
    /nothing is known of it: no context has system warehouse: natsctl context save/,
  )
})

test('an operator sees for whom versions are kept, and forgets a neighbour', async (t) => {
  const { there, here, warehouse, publish } = await openBoth(t)
  const operator = runnerOf(t, there.env)
  const pinned = async () => (await warehouse.operator.database.nodes('client')).some(({ nodeId }) => nodeId === 'neighbour-shop')
  await until(pinned, 'the shop has set its pin')
  t.regex((await operator.run('explain')).stdout, /\nsystem shop calls this one: version 0 and later ones stay alive for it\n/)
  t.like(await operator.json('explain'), { pins: [{ system: 'shop', version: 0 }] })
  const doctor = await operator.json('doctor')
  t.like(
    doctor.checks.find((each: { check: string }) => each.check === 'pins of neighbours'),
    { status: 'ok', found: 'shop keeps version 0 and later ones alive' },
  )
  t.regex((await operator.run('version', 'ls', '-o', 'wide')).stdout, /neighbour-shop/)

  const forgotten = await operator.run('node', 'forget', 'neighbour-shop', '--yes')
  t.is(forgotten.code, 0, forgotten.stderr)
  t.regex(
    forgotten.stderr,
    /versions that system shop calls may die now; it is known again with its next upgrade that calls this system/,
  )
  t.false(await pinned())
  const shop = runnerOf(t, { ...here.env, XDG_CONFIG_HOME: contexts(t, there) })
  const told = (await shop.json('doctor')).checks.find((each: { check: string }) => each.check === 'neighbour warehouse')
  t.is(told.status, 'warning')
  t.regex(told.found, /the pin that keeps them alive is not there/)
  t.false(await pinned())
  await publish(warehouse, 'warehouse-1-orders.js')
})
