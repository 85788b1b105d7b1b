/**
 * A sharded service is upgraded again and again under load, and something breaks as soon as a node is in one
 * phase of its upgrade. A host is lost for good, killed, frozen for longer than its lease, or cut off from
 * two or all of three servers; or a server is killed. Nothing is lost, nothing is there twice, and all come
 * to the new version. `SHARD_PHASES=all` goes through every phase with every trouble.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { buildUpgrade } from 'theseus-actors/build'
import { FirstGeneration } from './carts/generations.js'
import type { Trap } from './carts/hostProcess.js'
import { Load, Shop } from './carts/shop.js'

const phases = ['fetching', 'scheduled', 'draining', 'transforming', 'flipping'] as const
const names = ['a', 'b', 'c']

interface Trouble {
  readonly how: Trap['how']
  /** When the trap has sprung, and until the others have all shards or go on. */
  befall(shop: Shop, victim: string, load: Load): Promise<void>
  /** Everything is as before. */
  repair(shop: Shop, victim: string): Promise<void>
}

const without = (victim: string) => names.filter((name) => name !== victim)

const troubles: Readonly<Record<string, Trouble>> = {
  'its host is lost for good': {
    how: 'SIGKILL',
    async befall(shop, victim) {
      await shop.lose(victim)
      await shop.spread(without(victim))
    },
    repair: (shop, victim) => shop.startHost(victim),
  },
  'its host is killed, and comes back': {
    how: 'SIGKILL',
    async befall(shop, victim) {
      await shop.end(victim, 'SIGKILL')
      await shop.startHost(victim)
    },
    async repair() {},
  },
  'its host is frozen for longer than its lease': {
    how: 'SIGSTOP',
    befall: (shop, victim) => shop.spread(without(victim)),
    async repair(shop, victim) {
      shop.hosts.get(victim)!.kill('SIGCONT')
    },
  },
  'its host is cut off from two of three servers': {
    how: 'pause',
    async befall(shop, victim, load) {
      for (const path of shop.paths.get(victim)!.slice(0, 2)) path.cut()
      await load.goesOn()
    },
    async repair(shop, victim) {
      for (const path of shop.paths.get(victim)!) path.join()
    },
  },
  'its host is cut off from all servers': {
    how: 'pause',
    async befall(shop, victim) {
      for (const path of shop.paths.get(victim)!) path.cut()
      await shop.spread(without(victim))
    },
    async repair(shop, victim) {
      for (const path of shop.paths.get(victim)!) path.join()
    },
  },
  'a server is killed': {
    how: 'pause',
    async befall(shop, _victim, load) {
      shop.cluster.servers[1]!.kill()
      await load.goesOn()
    },
    repair: (shop) => shop.cluster.servers[1]!.restart(),
  },
}

/** Each trouble once, each phase at least once. */
const some = Object.keys(troubles).map((name, i) => [phases[(i + 1) % phases.length]!, name] as const)
const all = phases.flatMap((phase) => Object.keys(troubles).map((name) => [phase, name] as const))
const rounds = process.env.SHARD_PHASES === 'all' ? all : some

test('a host or a server fails in any phase of an upgrade: it ends without calls lost', async (t) => {
  t.timeout(120_000 + rounds.length * 60_000)
  const shop = await Shop.start(t, 'phases', 3, 'generations')
  const modules = await mkdtemp(join(tmpdir(), 'theseus-generations-'))
  t.teardown(() => rm(modules, { recursive: true, force: true }))
  await Promise.all(names.map((hostId) => shop.startHost(hostId)))
  const load = new Load(shop.desk, FirstGeneration)
  await load.goesOn()
  await shop.spread(names)
  for (const [i, [phase, name]] of rounds.entries()) {
    const trouble = troubles[name]!
    const version = i + 1
    const module = join(modules, `${version}.mjs`)
    const generations = new URL('./carts/generations.js', import.meta.url)
    const text = `import { generationUpgrade } from '${generations.pathname}'\nexport default generationUpgrade(${version})\n`
    await writeFile(module, text)
    const victim = await shop.busiest()
    const sprung = await shop.trap(victim, { phase, target: version, how: trouble.how })
    const began = performance.now()
    t.is(await shop.desk.publish(await buildUpgrade(module)), version)
    await sprung()
    await trouble.befall(shop, victim, load)
    await load.goesOn()
    await shop.reached(version)
    await trouble.repair(shop, victim)
    await shop.spread(names)
    await load.goesOn()
    t.deepEqual(load.failures, [], `${phase}: ${name}`)
    t.log(`${phase}: ${name}: ${Math.round((performance.now() - began) / 100) / 10} s`)
  }
  await load.end()
  await load.check(t)
  t.log(`${load.calls} calls, ${load.unknownCount} of unknown outcome`)
})
