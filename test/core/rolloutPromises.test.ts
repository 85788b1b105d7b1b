/** Promises of a rollout: as they are written, as a manifest has them, and whether they hold. */
import test from 'ava'
import { isFault } from '../../core/base/fault.js'
import { newestLevel } from '../../core/base/level.js'
import { askedFor, checkNeeds } from '../../core/control/neededLevel.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { allOf, andThen, anyOf, within } from '../../core/schedules/combine.js'
import { eagerly } from '../../core/schedules/eagerly.js'
import { isAboutToBreak, missingOf, PromisedSets, progressOf } from '../../core/schedules/promisedSets.js'
import { promiseTroubles } from '../../core/schedules/promiseTroubles.js'
import {
  covered,
  doneWithin,
  isPromiseList,
  isRolloutPromise,
  keeps,
  promiseText,
  promising,
  type RolloutPromise,
} from '../../core/schedules/rolloutPromise.js'
import { draftManifest, undoDraft } from '../../core/upgrade/draftManifest.js'
import { decodeManifest, encodeManifest, formatOf, type Manifest, manifestOf, promisesIn } from '../../core/upgrade/manifest.js'
import { brokenPromises, mayGo } from '../../core/upgrade/promisedRollout.js'
import { restored, reversed } from '../../core/upgrade/reversedUpgrade.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { row, shops, startMs, till, tills, upgradeOf } from '../rehearsal/proposals.js'

const pairs = keeps({ service: 'shop', serving: 2, of: '{set}-*' })

test('a promise is what was written, as people read it', (t) => {
  const texts = [
    [pairs, 'keeps 2 nodes of each set {set}-* of shop serving'],
    [keeps({ service: 'shop', serving: 1 }), 'keeps 1 node of shop serving'],
    [keeps({ service: 'shop', serving: '75%', of: { a: ['s1', 's2'] } }), 'keeps 75% of each of 1 sets of shop serving'],
    [
      covered({ service: 'shop', atLeast: 1, places: { hall: ['s1'], yard: ['s1', 's2'] } }),
      'keeps 1 of shop serving at each of 2 places',
    ],
    [doneWithin('2h'), 'done within 2h'],
    [doneWithin('90s'), 'done within 90s'],
    [doneWithin(1_500), 'done within 1500ms'],
  ] as const
  for (const [promise, text] of texts) t.is(promiseText(promise), text)
})

test('a promise that can’t be one is refused where it is written', (t) => {
  const wrong: readonly (() => RolloutPromise)[] = [
    () => keeps({ service: 'shop', serving: 0 }),
    () => keeps({ service: 'shop', serving: '101%' }),
    () => keeps({ service: 'a b', serving: 1 }),
    () => keeps({ service: 'shop', serving: 1, of: 's-*' }),
    () => keeps({ service: 'shop', serving: 1, of: '{set}-{set}' }),
    () => keeps({ service: 'shop', serving: 1, of: {} }),
    () => keeps({ service: 'shop', serving: 1, of: { a: [] } }),
    () => covered({ service: 'shop', atLeast: 1.5, places: { hall: ['s1'] } }),
    () => covered({ service: 'shop', atLeast: 1, places: {} }),
    () => doneWithin(0),
  ]
  for (const each of wrong) t.throws(each, { code: 'config.invalid' })
  t.false(isRolloutPromise(null) || isRolloutPromise({ kind: 'else' }))
  t.false(isPromiseList([]) || isPromiseList([{}]) || isPromiseList(Array(17).fill(pairs)))
  t.throws(() => upgradeOf([shops(eagerly())], { promises: [{ kind: 'within', ms: -1 }] }), { code: 'upgrade.invalid' })
})

test('a schedule has its promises in a schedule of schedules too, and an upgrade has each once', (t) => {
  const soon = doneWithin('1h')
  const inner = promising(eagerly(), pairs)
  for (const its of [allOf(inner), anyOf(inner), andThen(inner), within({ from: '02:00', for: '2h' }, inner)])
    t.deepEqual(its.promises, [pairs])
  const upgrade = upgradeOf([shops(promising(inner, soon)), tills(inner)], { promises: [soon] })
  t.deepEqual(upgrade.promises, [soon, pairs])
  t.deepEqual(reversed(upgradeOf([tills(inner)])).promises, [])
  t.deepEqual(restored(upgrade).promises, [soon, pairs])
})

const about = {
  ...{
    identity: null,
    system: 'shop',
    version: 1,
    previous: null,
    reason: null,
    undoes: null,
    createdAt: '2026-01-01T12:00:00Z',
  },
  ...{ upgrader: null, upgraders: null },
}

function manifestFor(promises: readonly RolloutPromise[]): Manifest {
  return manifestOf(draftManifest(upgradeOf([tills(eagerly())], { promises }), new Uint8Array(1)), about)
}

test('promises stand in a manifest of format 4, and one without has the format that it had', (t) => {
  const manifest = manifestFor([pairs])
  t.is(manifest.format, 4)
  t.is(manifest.runtime, 2, 'a host of before does not have what the bundle imports')
  t.deepEqual(promisesIn(decodeManifest(encodeManifest(manifest))), [pairs])
  t.like(manifestFor([]), { format: 1, runtime: 1 })
  t.deepEqual(promisesIn(manifestFor([])), [])
  t.false('promises' in manifestFor([]))
  t.deepEqual([formatOf({}), formatOf({ promises: [pairs] })], [1, 4])
})

test('promises of another form, and with a level, are no manifest', (t) => {
  for (const promises of [undefined, [], [{ kind: 'keeps' }], 'all'])
    t.throws(() => decodeManifest(encodeManifest({ ...manifestFor([pairs]), promises } as Manifest)), { code: 'upgrade.invalid' })
  const raising = { ...manifestFor([pairs]), classUpgrades: [], level: { manifest: 4 } } as Manifest
  t.throws(() => decodeManifest(encodeManifest(raising)), { code: 'upgrade.invalid', message: /promises/ })
})

test('an upgrade with promises waits for the level, or a server of before would pass over them', (t) => {
  const level = { ...newestLevel, manifest: 3 }
  const manifest = manifestFor([pairs])
  t.throws(() => checkNeeds(manifest, level), { code: 'upgrade.level', message: /manifest format 4/ })
  t.throws(() => askedFor(manifest, level), { code: 'upgrade.level' })
  t.notThrows(() => checkNeeds(manifest, newestLevel))
  const undo = manifestOf(undoDraft(manifest), { ...about, version: 2, undoes: 1 })
  t.is(undo.format, 1, 'the way back promises nothing')
  const again = manifestOf(undoDraft(undo, [manifest]), { ...about, version: 3, undoes: 2 })
  t.deepEqual(promisesIn(again), [pairs])
  t.throws(() => askedFor(again, level), { code: 'upgrade.level' })
})

const away = { phase: 'transforming', target: 1 } as const
const done = { version: 1, className: 'Shop.v2' } as const
const dead = { alive: false } as const

function troubles(promises: readonly RolloutPromise[], rows: readonly NodeRow[], nowMs = startMs) {
  const rollout = { promises, version: 1, beganMs: startMs, nowMs, concerns: (each: NodeRow) => each.className !== 'Shop.v0' }
  return promiseTroubles(rows, rollout).map(({ what, isBroken }) => `${isBroken ? 'broken' : 'next'}: ${what}`)
}

const set = (...changes: readonly Partial<NodeRow>[]) => changes.map((change, i) => row(`a-${i + 1}`, change))

test('a set of three of which two must serve may lose one to the upgrade, and no second', (t) => {
  t.deepEqual(troubles([pairs], set({}, {}, {})), [])
  t.deepEqual(troubles([pairs], set(away, {}, {})), [])
  t.deepEqual(troubles([pairs], set(done, away, {})), [])
  const text = 'keeps 2 nodes of each set {set}-* of shop serving: 1 of 3 nodes of set a serves, 2 are away for the upgrade'
  t.deepEqual(troubles([pairs], set(away, away, {})), [`broken: ${text}`])
  t.deepEqual(
    troubles([pairs], [...set(away, {}, {}), row('b-1', away), row('b-2'), row('b-3')]),
    [],
    'each set is one of its own',
  )
})

test('a set that has lost a host is told of before the next node goes, as long as one is still to go', (t) => {
  const [next] = troubles([pairs], set({}, dead, {}))
  t.is(
    next,
    'next: keeps 2 nodes of each set {set}-* of shop serving: 2 of 3 nodes of set a serve, a-2 not serving otherwise, and the next that goes leaves 1; 2 must serve',
  )
  t.deepEqual(troubles([pairs], set(done, { ...dead, phase: 'failed' }, done)), [], 'nobody goes any more')
  t.deepEqual(troubles([pairs], set({ className: 'Shop.v0' }, dead, { className: 'Shop.v0' })), [], 'nor those it leaves alone')
  t.regex(troubles([pairs], set(done, dead, away))[0]!, /^broken: .* 1 of 3 nodes of set a serves, 1 is away/)
  t.deepEqual(troubles([pairs], set(dead, dead, done)), [], 'hosts that fail break no promise by themselves')
})

test('a share is of the nodes of a set, rounded up, and all of a service are one set', (t) => {
  const most = keeps({ service: 'shop', serving: '60%' })
  t.deepEqual(troubles([most], set(away, away, {}, {}, {})), [])
  t.is(troubles([most], set(away, away, {}, {})).length, 1)
  t.deepEqual(troubles([most], [till('t1', { phase: 'draining', target: 1 })]), [], 'nobody of the service is there')
})

test('a listed replica that is not registered does not serve', (t) => {
  const listed = keeps({ service: 'shop', serving: 1, of: { eu: ['s1', 's2'] } })
  t.regex(
    troubles([listed], [row('s1')])[0]!,
    /^next: .*s2 not serving otherwise, and the next that goes leaves 0; 1 must serve$/,
  )
  t.deepEqual(troubles([listed], [row('s1'), row('s2', away)]), [])
})

test('at each place so many serve, or all where it has no more', (t) => {
  const field = covered({ service: 'shop', atLeast: 2, places: { hall: ['a-1', 'a-2', 'a-3'], yard: ['a-1'] } })
  t.regex(
    troubles([field], set({}, {}, {}))[0]!,
    /^next: .*1 of 1 nodes at yard serves, and the next that goes leaves 0; 1 must serve/,
  )
  const hall = covered({ service: 'shop', atLeast: 2, places: { hall: ['a-1', 'a-2', 'a-3'] } })
  t.deepEqual(troubles([hall], set({}, away, {})), [])
  t.regex(
    troubles([hall], set(away, away, {}))[0]!,
    /^broken: keeps 2 of shop serving at each of 1 places: 1 of 3 nodes at hall serves/,
  )
})

test('when the time is up, living nodes that are not there break the promise, and dead ones do not', (t) => {
  const hour = doneWithin('1h')
  const later = startMs + 3_600_001
  t.deepEqual(troubles([hour], set({}, away), startMs + 3_600_000), [])
  t.deepEqual(troubles([hour], set({}, away, done), later), ['broken: done within 1h: not there yet: a-1, a-2'])
  t.deepEqual(troubles([hour], set(dead, done), later), [])
  t.regex(troubles([hour], set({}, {}, {}, {}, {}), later)[0]!, /a-1, a-2, a-3 and 2 more$/)
})

test('the same trouble has the same key, and another loss has another', (t) => {
  const keyOf = (rows: readonly NodeRow[]) =>
    promiseTroubles(rows, { promises: [pairs], version: 1, beganMs: 0, nowMs: 0, concerns: () => true })[0]!.key
  t.is(keyOf(set({}, dead, {})), keyOf(set({}, dead, {})))
  t.not(keyOf(set({}, dead, {})), keyOf(set(dead, {}, {})))
  t.not(keyOf(set({}, dead, {})), keyOf(set({}, { ...dead, since: 1 }, {})))
  t.is(keyOf(set({}, dead, {})), keyOf(set({}, dead, away)), 'an operator who lets the next one go has seen it')
})

test('a manifest says which nodes may go: those of its classes, and those that are behind', (t) => {
  const manifest = { ...manifestFor([pairs]), version: 3 }
  t.true(mayGo(manifest, till('t1', { version: 2 })))
  t.false(mayGo(manifest, row('s1', { version: 2 })))
  t.true(mayGo(manifest, row('s1', { version: 1 })))
  const [entry] = manifest.classUpgrades
  const only = (filter: object) => ({ ...manifest, classUpgrades: [{ ...entry!, only: filter }] })
  t.false(mayGo(only({ nodes: ['t2'] }), till('t1', { version: 2 })))
  t.true(mayGo(only({ nodes: ['t1'], facts: { zone: 'eu' } }), till('t1', { version: 2 })))
  t.true(mayGo(only({ facts: { zone: 'eu' } }), till('t1', { version: 2 })))
  const alone = manifestFor([keeps({ service: 'till', serving: 1 })])
  t.is(brokenPromises(alone, [till('t1'), row('t2', { service: 'client' })], startMs).length, 1)
  t.deepEqual(brokenPromises(manifestFor([]), [till('t1')], startMs), [])
})

test('sets that are counted on say the same as sets that are counted anew', (t) => {
  const random = seededRandom(3)
  const pick = <T>(from: readonly T[]) => from[Math.floor(random.next() * from.length)]!
  const ids = ['a-1', 'a-2', 'a-3', 'b-1', 'b-2', 'c']
  const promises = [
    pairs,
    keeps({ service: 'shop', serving: '50%' }),
    covered({ service: 'shop', atLeast: 2, places: { x: ['a-1', 'b-1', 'gone'], y: ['c', 'c'] } }),
  ]
  const rows = new Map(ids.map((id) => [id, row(id)]))
  const counted = new PromisedSets(promises, [...rows.values()], 1)
  const verdicts = (sets: PromisedSets) =>
    sets.all.map((each) => [each.name, each.needed, { ...each.counts }, missingOf(each), isAboutToBreak(each)])
  for (let i = 0; i < 500; i++) {
    const changed = {
      ...rows.get(pick(ids))!,
      ...pick([away, done, dead, { alive: true }, { phase: 'current' as const, target: null }]),
    }
    rows.set(changed.nodeId, changed)
    counted.count(changed.nodeId, progressOf(changed, 1))
    t.deepEqual(verdicts(counted), verdicts(new PromisedSets(promises, [...rows.values()], 1)))
  }
})

test('a promise is refused with how to write one', (t) => {
  const fault = t.throws(() => keeps({ service: 'shop', serving: -1 }))
  t.true(isFault(fault) && fault.message.startsWith('keeps: use keeps({ service'))
})
