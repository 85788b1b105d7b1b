/**
 * Hosts contend for a shard while they are killed, frozen and cut off, and while the log loses answers, is
 * late and full. Two of them never have the lease at one moment, and all that was acknowledged is there at
 * the end.
 */
import test, { type ExecutionContext } from 'ava'
import type { OwnedShard } from '../../actors/shards/ownedShard.js'
import { fatesBy } from '../../transports/memory/memoryLogFaults.js'
import { memoryShardLogs } from '../../transports/memory/memoryShardLogs.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { VirtualClock } from '../support/virtualClock.js'
import { Contender } from './shardsFixture.js'

/** Those that have found something before come first. */
const seeds = [23, 53, 214, ...Array.from({ length: 60 }, (_, i) => i + 1).filter((seed) => ![23, 53].includes(seed))]
const steps = 60

interface Told {
  readonly acknowledged: Map<string, string>
  owners: number
  writes: number
}

async function storm(t: ExecutionContext, seed: number): Promise<Told> {
  const clock = new VirtualClock()
  try {
    return await play(t, seed, clock)
  } finally {
    clock.stop()
  }
}

async function play(t: ExecutionContext, seed: number, clock: VirtualClock): Promise<Told> {
  const random = seededRandom(seed)
  const logs = memoryShardLogs({ clock, entryBytesMax: 600, durability: 'replicated', sliceBytesMax: 400 })
  const { log } = logs.shard('pages', 0)
  const told: Told = { acknowledged: new Map(), owners: 0, writes: 0 }
  const options = { clock, random, logs, settings: { snapshotBytesMin: 2_000 } }
  const hosts = ['a', 'b', 'c'].map((name) => new Contender(name, options))
  const cutOff = new Set<string>()
  const fates = fatesBy(random, {
    loseAnswer: 0.1,
    lose: 0.1,
    inFlight: 0.05,
    full: 0.03,
    answerLate: 0.1,
    arriveLate: 0.05,
    lateMsMax: 4_000,
  })
  log.fate = (append) => (cutOff.has(append.writer) ? 'lose' : fates(append))
  log.view = (reader) => (cutOff.has(reader) ? 'nothing' : random.next() < 0.1 ? { staleBy: 1 } : 'all')
  const serve = (host: Contender) => {
    host.own().then(
      (owned) => void (owned !== undefined && told.owners++),
      (error) => t.fail(`seed ${seed}: ${host.hostId} could not start: ${error}`),
    )
  }
  const write = (host: Contender, shard: OwnedShard) => {
    const key = `${told.writes++}`.padStart(4, '0')
    const value = `${host.hostId} ${shard.term} ${'x'.repeat(random.next() < 0.1 ? 1_500 : 60)}`
    shard.store.commit([[key, Buffer.from(value)]]).then(
      () => {
        const leave = () => void (host.isDead || told.acknowledged.set(key, value))
        if (!shard.lease.holds(leave)) leave()
      },
      () => {},
    )
  }
  const pick = <T>(all: readonly T[]): T => all[Math.floor(random.next() * all.length)]!
  hosts.forEach(serve)
  for (let step = 0; step < steps; step++) {
    await clock.passes(random.next() * 3_000)
    const held = hosts.filter(({ isDead, owned }) => !isDead && owned?.lease.state === 'held')
    t.true(held.length <= 1, `seed ${seed}, step ${step}: ${held.map(({ hostId }) => hostId)} have the lease`)
    for (const host of hosts) if (host.owned !== undefined && !host.isDead) write(host, host.owned)
    const index = Math.floor(random.next() * hosts.length)
    const host = hosts[index]!
    const chance = random.next()
    if (chance < 0.1) {
      host.kill()
      hosts[index] = host.again()
      serve(hosts[index]!)
    } else if (chance < 0.3) host.freeze()
    else if (chance < 0.6) for (const each of hosts) each.thaw()
    else if (chance < 0.7) cutOff.add(pick(hosts).hostId)
    else if (chance < 0.85) cutOff.clear()
    else if (chance < 0.9 && host.owned?.lease.state === 'held') void host.owned.release(pick(hosts).hostId)
    // One whose shard was taken, or given away, wants it again as another start.
    for (const [at, each] of hosts.entries()) {
      if (each.owned === undefined || each.owned.lease.state !== 'lost') continue
      each.kill()
      hosts[at] = each.again()
      serve(hosts[at]!)
    }
  }
  for (const host of hosts) host.kill()
  log.fate = undefined
  log.view = undefined
  const last = new Contender('last', options)
  const owned = await last.own()
  for (const [key, value] of told.acknowledged) {
    const found = owned!.store.get(key)
    t.is(found === undefined ? undefined : Buffer.from(found).toString(), value, `seed ${seed}: ${key} was acknowledged`)
  }
  last.stop()
  return told
}

test('two hosts never have the lease at one moment, and nothing that was acknowledged is lost', async (t) => {
  let [owners, writes, acknowledged] = [0, 0, 0]
  for (const seed of seeds) {
    const told = await storm(t, seed)
    owners += told.owners
    writes += told.writes
    acknowledged += told.acknowledged.size
  }
  t.log(`${seeds.length} storms: ${owners} owners, ${writes} writes, ${acknowledged} acknowledged`)
  t.true(owners > seeds.length * 2 && acknowledged > seeds.length * 10 && acknowledged < writes)
})
