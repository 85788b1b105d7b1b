/**
 * Sharded services on the real thing: three nats-servers with JetStream and three replicas, host processes,
 * Redis. Hosts and servers are killed for good, frozen and restarted under load. Nothing that was
 * acknowledged is lost, and nothing is there twice.
 */
import test from 'ava'
import { buildUpgrade } from 'theseus-actors/build'
import { CartsV1 } from './carts/carts.v1.js'
import { CartsV2 } from './carts/carts.v2.js'
import { Load, Shop } from './carts/shop.js'

const upgrade = new URL('./carts/upgrade.js', import.meta.url)

test.serial(
  'hosts and servers are lost for good, frozen and restarted in the middle of an upgrade: nothing is lost',
  async (t) => {
    t.timeout(240_000)
    const shop = await Shop.start(t, 'carts', 3)
    await Promise.all(['a', 'b', 'c'].map((hostId) => shop.startHost(hostId)))
    await shop.spread(['a', 'b', 'c'])
    const load = new Load(shop.desk, CartsV1)
    await load.goesOn()

    // Rolling restarts fail no call.
    await shop.restart('a')
    await load.goesOn()
    t.deepEqual([load.failures, [...load.unknown.values()].flatMap((items) => [...items])], [[], []])

    // A machine is lost while an upgrade is under way.
    t.is(await shop.desk.publish(await buildUpgrade(upgrade)), 1)
    await shop.lose('b')
    await shop.spread(['a', 'c'])
    await load.goesOn()
    await shop.reached(1)

    // A host that was frozen for longer than its lease has lost its shards, and says nothing of them.
    shop.hosts.get('a')!.kill('SIGSTOP')
    await shop.spread(['c'])
    await load.goesOn()
    shop.hosts.get('a')!.kill('SIGCONT')
    await load.goesOn()

    // A server is lost: the others have all entries.
    const [, second] = shop.cluster.servers
    await second!.stop()
    await load.goesOn()
    await load.end()

    t.deepEqual(load.failures, [])
    await load.check(t)
    t.is(await shop.desk.ref(CartsV2, 'cart0', { deadline: '30s' }).last(), load.acknowledged.get('cart0')!.at(-1)!)
    t.log(`${load.calls} calls, ${load.unknownCount} of unknown outcome`)
  },
)
