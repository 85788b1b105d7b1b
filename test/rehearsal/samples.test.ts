/**
 * §7 on the samples' upgrades: random interleaved calls of versions i−1, i and i+1 across the flips. The
 * observations of every version are compared with what the mappings beside the upgrades say, and with those
 * before each flip (C11).
 */
import test from 'ava'
import fc from 'fast-check'
import { chained, type Mapping, type Rehearsal, rehearse, type ScriptedCall, type Step } from '../../rehearsal/criteria.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import comments from '../../samples/02-pages-comments/upgrades/1-comments.js'
import { fromComments, toComments } from '../../samples/02-pages-comments/upgrades/1-comments.mapping.js'
import likes from '../../samples/02-pages-comments/upgrades/2-likes.js'
import { fromLikes, toLikes } from '../../samples/02-pages-comments/upgrades/2-likes.mapping.js'
import { Archive } from '../../samples/03-archive-cache/archive.js'
import archiveToCache from '../../samples/03-archive-cache/upgrades/1-cache.js'
import { fromCache, toCache } from '../../samples/03-archive-cache/upgrades/1-cache.mapping.js'
import { ReplicaV1 } from '../../samples/04-replica-group/replica.js'
import sizes from '../../samples/04-replica-group/upgrades/1-sizes.js'
import { fromSizes, toSizes } from '../../samples/04-replica-group/upgrades/1-sizes.mapping.js'
import { PilotV1 } from '../../samples/05-clients-after-servers/pilot.js'
import { StationV1 } from '../../samples/05-clients-after-servers/station.js'
import tomorrow from '../../samples/05-clients-after-servers/upgrades/1-tomorrow.js'
import { fromTomorrow, toTomorrow } from '../../samples/05-clients-after-servers/upgrades/1-tomorrow.mapping.js'
import { SensorV1 } from '../../samples/06-sensor-field/sensor.js'
import kelvin from '../../samples/06-sensor-field/upgrades/1-kelvin.js'
import { fromKelvin, toKelvin } from '../../samples/06-sensor-field/upgrades/1-kelvin.mapping.js'
import { AccountV1 } from '../../samples/08-rewind/account.js'
import repaired from '../../samples/08-rewind/upgrades/3-euros-repaired.js'
import { fromEurosRepaired, toEurosRepaired } from '../../samples/08-rewind/upgrades/3-euros-repaired.mapping.js'
import { StockV1 } from '../../samples/09-neighbours/stock.js'
import { TillV1 } from '../../samples/09-neighbours/till.js'
import tills from '../../samples/09-neighbours/upgrades/shop-1-orders.js'
import orders from '../../samples/09-neighbours/upgrades/warehouse-1-orders.js'
import { fromOrders, toOrders } from '../../samples/09-neighbours/upgrades/warehouse-1-orders.mapping.js'
import {
  counted,
  fromCounted,
  fromFurther,
  fromNamed,
  fromNoted,
  further,
  named,
  noted,
  toCounted,
  toFurther,
  toNamed,
  toNoted,
} from './laterUpgrades.js'

type Argument = fc.Arbitrary<unknown>

/** A random call of one method at one of these versions. */
const calls = (versions: readonly number[], method: string, ...args: Argument[]) =>
  fc.record({ version: fc.constantFrom(...versions), method: fc.constant(method), args: fc.tuple(...args) })

/** The same query at each of these versions. */
const seen = (versions: readonly number[], method: string, ...args: unknown[]): ScriptedCall[] =>
  versions.map((version) => ({ version, method, args }))

const onNodes = (nodes: readonly string[], observations: readonly ScriptedCall[]): ScriptedCall[] =>
  nodes.flatMap((node) => observations.map((call) => ({ ...call, node })))

/** Both ways between three versions, over one step and over two. */
function allWays(steps: {
  readonly up: readonly [Mapping, Mapping]
  readonly down: readonly [Mapping, Mapping]
  /** The queries that are dependent over two steps: of version 2, and of version 0. */
  readonly top: readonly string[] | Mapping['dependent']
  readonly bottom: readonly string[]
}): readonly Mapping[] {
  const { up, down, top, bottom } = steps
  return [...up, ...down, chained(up[0], up[1], top), chained(down[1], down[0], bottom)]
}

const text = fc.string({ maxLength: 4 })

/** Plays random scripts; with `nodes`, calls and flips are of any of these. */
function contradictNothing(parts: Omit<Rehearsal, 'script'>, call: fc.Arbitrary<ScriptedCall>, nodes?: readonly string[]) {
  const anyNode = fc.constantFrom(...(nodes ?? ['n1']))
  const aCall = nodes === undefined ? call : fc.tuple(call, anyNode).map(([each, node]): Step => ({ ...each, node }))
  const aFlip = nodes === undefined ? fc.constant<Step>('flip') : anyNode.map((flip): Step => ({ flip }))
  const script = fc.array(fc.oneof({ arbitrary: aCall, weight: 5 }, { arbitrary: aFlip, weight: 1 }), { maxLength: 20 })
  const property = fc.asyncProperty(script, async (steps) => {
    const violations = await rehearse({ ...parts, script: steps })
    if (violations.length > 0) throw new Error(JSON.stringify(violations, null, 2))
  })
  return fc.assert(property, { numRuns: 60 })
}

test('pages, comments and likes: random calls of three versions across two flips contradict nothing', async (t) => {
  const url = fc.constantFrom('/a', '/b')
  const call = fc.oneof(
    calls([0, 1, 2], 'put', url, text),
    calls([1, 2], 'comment', url, text),
    calls([2], 'like', url, fc.nat(2)),
  )
  const observations = ['/a', '/b'].flatMap((page) => [...seen([0, 1, 2], 'get', page), ...seen([1, 2], 'comments', page)])
  const mappings = allWays({ up: [toComments, toLikes], down: [fromComments, fromLikes], top: ['get'], bottom: ['get'] })
  await t.notThrowsAsync(contradictNothing({ first: PagesV1, upgrades: [comments, likes], observations, mappings }, call))
})

test('archive and cache: random calls of three versions across two flips contradict nothing', async (t) => {
  const item = fc.constantFrom('mast', 'keel')
  const call = fc.oneof(calls([0, 1, 2], 'add', item), calls([1, 2], 'remove', item))
  const observations = [...['mast', 'keel'].flatMap((each) => seen([0, 1, 2], 'has', each)), ...seen([2], 'count')]
  const mappings = allWays({
    up: [toCache, toCounted],
    down: [fromCache, fromCounted],
    top: ['has', 'count'],
    bottom: ['has'],
  })
  await t.notThrowsAsync(contradictNothing({ first: Archive, upgrades: [archiveToCache, counted], observations, mappings }, call))
})

test('replica group: random calls of three versions to any replica, flips in any order, contradict nothing', async (t) => {
  const group = ['r1', 'r2', 'r3']
  const key = fc.constantFrom('ship', 'crew')
  const call = fc.oneof(calls([0, 1, 2], 'put', key, text), calls([2], 'note', key, text))
  const observations = onNodes(group, [...seen([0, 1, 2], 'get', 'ship'), ...seen([0, 1, 2], 'entries')])
  const mappings = allWays({
    up: [toSizes, toNoted],
    down: [fromSizes, fromNoted],
    top: ['get'],
    bottom: ['get', 'entries'],
  })
  const first = Object.fromEntries(group.map((id) => [id, ReplicaV1]))
  await t.notThrowsAsync(contradictNothing({ first, upgrades: [sizes, noted], observations, mappings }, call, group))
})

test('stations, with a pilot that looks at them: random calls of three versions contradict nothing', async (t) => {
  const group = ['s1', 's2', 's3']
  const [day, furtherDay] = [fc.constantFrom('today', 'tomorrow'), fc.constantFrom('today', 'tomorrow', 'later')]
  const call = fc.oneof(calls([0], 'announce', text), calls([1], 'announce', day, text), calls([2], 'announce', furtherDay, text))
  const observations = onNodes(group, [
    ...seen([0], 'forecast'),
    ...['today', 'tomorrow'].flatMap((each) => seen([1, 2], 'forecast', each)),
    ...seen([2], 'forecast', 'later'),
  ])
  const mappings = allWays({
    up: [toTomorrow, toFurther],
    down: [fromTomorrow, fromFurther],
    top: toTomorrow.dependent,
    bottom: ['forecast'],
  })
  const first = { s1: StationV1, s2: StationV1, s3: StationV1, p1: PilotV1 }
  const parts = { first, upgrades: [tomorrow, further], observations, mappings }
  await t.notThrowsAsync(contradictNothing(parts, call, group))
})

test('sensors: random calls of three versions across two flips contradict nothing', async (t) => {
  const degrees = fc.double({ min: -90, max: 60, noNaN: true })
  const call = fc.oneof(
    calls([0, 1], 'measured', degrees),
    calls(
      [2],
      'measured',
      degrees.map((celsius) => celsius + 273.15),
    ),
    calls([2], 'call', text),
  )
  const observations = [...seen([0, 1], 'celsius'), ...seen([1, 2], 'kelvin'), ...seen([2], 'name')]
  const mappings = allWays({
    up: [toKelvin, toNamed],
    down: [fromKelvin, fromNamed],
    top: ['kelvin'],
    bottom: ['celsius'],
  })
  await t.notThrowsAsync(contradictNothing({ first: SensorV1, upgrades: [kelvin, named], observations, mappings }, call))
})

test('the stock of a warehouse: random calls of its neighbours, at the version before and after orders, contradict nothing', async (t) => {
  const call = fc.oneof(calls([0], 'take', fc.nat(3)), calls([1], 'take', fc.nat(3), text))
  const observations = [...seen([0, 1], 'left'), ...seen([1], 'orders')]
  const mappings = [toOrders, fromOrders]
  await t.notThrowsAsync(contradictNothing({ first: StockV1, upgrades: [orders], observations, mappings }, call))
})

test('accounts, by the repaired upgrade: random calls at both versions contradict nothing', async (t) => {
  const cents = fc.nat(500)
  const call = fc.oneof(calls([0, 1], 'deposit', cents), calls([0, 1], 'withdraw', cents))
  const observations = seen([0, 1], 'balance')
  const mappings = [toEurosRepaired, fromEurosRepaired]
  await t.notThrowsAsync(contradictNothing({ first: AccountV1, upgrades: [repaired], observations, mappings }, call))
})

test('the tills of a shop, beside a warehouse: random calls of both versions across a flip contradict nothing', async (t) => {
  const neighbours = { warehouse: { nodes: { stock: StockV1 }, upgrades: [orders] } }
  const parts = { first: TillV1, upgrades: [tills], observations: [], neighbours }
  await t.notThrowsAsync(contradictNothing(parts, calls([0, 1], 'sell')))
})
