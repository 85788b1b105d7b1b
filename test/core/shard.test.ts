/** Shards: which node is of which, and which host is to have it. */
import test from 'ava'
import fc from 'fast-check'
import { checkShards, movesFrom, ranked, shardHash, shardOf, shardsMax } from '../../core/model/shard.js'
import { decodeOffer, encodeOffer, type HostOffer } from '../../core/model/shardOffer.js'
import { pack } from '../../core/wire/codec.js'

test('the hash is the one that docs/protocol.md gives', (t) => {
  t.deepEqual(['', 'a', 'cart1', 'till-7_x'].map(shardHash), [2872998923, 444641715, 4205877381, 3066690661])
  t.is(shardOf('cart1', 64), 4205877381 % 64)
})

test('nodes are spread over all shards alike', (t) => {
  const counts = new Array<number>(64).fill(0)
  for (let i = 0; i < 64_000; i++) counts[shardOf(`node-${i}`, 64)]!++
  t.true(Math.min(...counts) > 800 && Math.max(...counts) < 1_200, `${Math.min(...counts)} to ${Math.max(...counts)}`)
})

const hosts = fc
  .uniqueArray(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 8 })
  .map((numbers) => numbers.map((number) => ({ hostId: `host-${number}`, capacity: 1 + (number % 3) })))

test('a host that comes or goes moves its own share, and nothing else', (t) => {
  fc.assert(
    fc.property(hosts, fc.nat(63), (candidates, shard) => {
      const [first, ...others] = ranked('pages', shard, candidates)
      t.deepEqual(ranked('pages', shard, others), others)
      t.deepEqual(ranked('pages', shard, [...candidates].reverse())[0], first)
      const joined = [...candidates, { hostId: 'another', capacity: 1 }]
      const [now] = ranked('pages', shard, joined)
      t.true(now!.hostId === 'another' || now!.hostId === first!.hostId)
    }),
  )
})

test('a host of twice the capacity is preferred twice as often', (t) => {
  const candidates = [
    { hostId: 'a', capacity: 1 },
    { hostId: 'b', capacity: 2 },
  ]
  let ofB = 0
  for (let shard = 0; shard < 3_000; shard++) if (ranked('pages', shard, candidates)[0]!.hostId === 'b') ofB++
  t.true(ofB > 1_850 && ofB < 2_150, `${ofB}`)
})

test('moves end: each host has at most a fifth above its share in the end, and nothing moves then', (t) => {
  fc.assert(
    fc.property(hosts, fc.integer({ min: 1, max: 64 }), (candidates, shards) => {
      const owned = new Map(candidates.map(({ hostId }) => [hostId, [] as number[]]))
      for (let shard = 0; shard < shards; shard++) owned.get(candidates[0]!.hostId)!.push(shard)
      for (let round = 0; round < 200; round++) {
        let moved = 0
        for (const { hostId } of candidates)
          for (const [shard, to] of movesFrom('pages', shards, hostId, owned.get(hostId)!, candidates, 2)) {
            owned.set(
              hostId,
              owned.get(hostId)!.filter((each) => each !== shard),
            )
            owned.get(to)!.push(shard)
            t.not(to, hostId)
            moved++
          }
        if (moved === 0) return
      }
      t.fail('shards move for ever')
    }),
  )
})

test('the host at which a shard is placed is before all; one that is no candidate is not', (t) => {
  fc.assert(
    fc.property(hosts, fc.nat(63), fc.nat(7), (candidates, shard, at) => {
      const { hostId } = candidates[at % candidates.length]!
      const order = ranked('pages', shard, candidates)
      const placed = ranked('pages', shard, candidates, hostId)
      t.deepEqual(placed, [order.find((each) => each.hostId === hostId)!, ...order.filter((each) => each.hostId !== hostId)])
      t.deepEqual(ranked('pages', shard, candidates, 'gone'), order)
    }),
  )
})

test('a shard that is placed is not given away for the sake of shares', (t) => {
  const candidates = ['a', 'b'].map((hostId) => ({ hostId, capacity: 1 }))
  const all = Array.from({ length: 16 }, (_, shard) => shard)
  const free = movesFrom('pages', 16, 'a', all, candidates, 16)
  const [[kept]] = free as [[number, string]]
  const placed = movesFrom('pages', 16, 'a', all, candidates, 16, (shard) => (shard === kept ? 'a' : undefined))
  t.true(free.length > 0)
  t.false(placed.some(([shard]) => shard === kept))
})

test('a number of shards that can’t be is refused', (t) => {
  t.is(checkShards(undefined, 'Pages.v1'), null)
  t.is(checkShards(64, 'Pages.v1'), 64)
  for (const wrong of [0, -1, 1.5, shardsMax + 1, '64', null, Number.NaN])
    t.throws(() => checkShards(wrong, 'Pages.v1'), {
      code: 'config.invalid',
      message: /Pages.v1: shards is a whole number from 1 to 4096/,
    })
})

const offer: HostOffer = {
  ...{ hostId: 'h1', start: 's1', isLeaving: false, asks: true },
  services: [
    {
      ...{ service: 'pages', shards: 8, capacity: 1.5, owned: [0, 7], positions: [12, 0] },
      ...{ promised: [[7, 'b']], followed: [3], waits: null, troubles: [] },
    },
  ],
}

test('an offer comes back as it was; anything else is one fault', (t) => {
  t.deepEqual(decodeOffer(encodeOffer(offer)), offer)
  const [service] = offer.services
  const waiting = { ...service!, capacity: 0, waits: 'no bundle', troubles: [{ shard: 7, reason: 'no log' }] }
  t.deepEqual(decodeOffer(encodeOffer({ ...offer, services: [waiting] })).services, [waiting])
  const many = { ...service!, troubles: new Array(99).fill({ shard: 1, reason: 'x'.repeat(900) }) }
  const [told] = decodeOffer(encodeOffer({ ...offer, services: [many] })).services
  t.deepEqual([told!.troubles.length, told!.troubles[0]!.reason], [32, `${'x'.repeat(500)}… (900 characters)`])
  const [long] = decodeOffer(encodeOffer({ ...offer, services: [{ ...waiting, waits: 'x'.repeat(900) }] })).services
  t.is(long!.waits, `${'x'.repeat(500)}… (900 characters)`)
  const fault = { code: 'protocol.bad-envelope', message: 'the message is not the offer of a host' }
  for (const wrong of [
    null,
    {},
    [],
    [9, 'h1', 's1', false, true, []],
    [1, 'h 1', 's1', false, true, []],
    [1, 'h1', 's1', 0, true, []],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [8], [0], [], []]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [1], [], [], []]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [1], [-1], [], []]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 0, [], [], [], []]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, new Array(9).fill(0), new Array(9).fill(0), [], []]]],
    [1, 'h1', 's1', false, true, [['pages', 1e9, 1, [], [], [], []]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [1], [1]]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [1], [1], [[8, 'h2']], []]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [1], [1], [[1, 'h 2']], []]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [1], [1], [1], []]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [1], [1], new Array(9).fill([1, 'h2']), []]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [1], [1], [], [-1]]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [1], [1], [], [], 'it waits']]],
    [1, 'h1', 's1', false, true, [['pages', 8, 0, [], [], [], [], 5]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [], [], [], [], null, [[8, 'no']]]]],
    [1, 'h1', 's1', false, true, [['pages', 8, 1, [], [], [], [], null, new Array(33).fill([1, 'no'])]]],
    [1, 'h1', 's1', false, true, new Array(1_001).fill(['pages', 8, 1, [], [], [], []])],
  ])
    t.throws(() => decodeOffer(pack(wrong)), fault, JSON.stringify(wrong))
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        decodeOffer(bytes)
      } catch (error) {
        t.is((error as { code: string }).code, 'protocol.bad-envelope')
      }
    }),
  )
})
