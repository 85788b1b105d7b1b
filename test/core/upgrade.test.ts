/**
 * Upgrades as they are written: what does not fit is refused where it is written, and the way
 * back is the way turned round.
 */
import test from 'ava'
import { restored, reversed } from '../../core/upgrade/reversedUpgrade.js'
import { type ClassUpgrade, isUpgrade, type Upgrade } from '../../core/upgrade/upgrade.js'
import {
  afterMyServers,
  command,
  defineUpgrade,
  eagerly,
  type Fault,
  futureSO,
  NodeObject,
  none,
  notNeeded,
  oneReplicaAtATime,
  pastSO,
  query,
  upgradeClass,
} from '../../index.js'

class V1 extends NodeObject {
  static override readonly className = 'Box.v1'
  @query get(): number {
    return 1
  }
  @command put(_value: number): void {}
}
class V2 extends NodeObject {
  static override readonly className = 'Box.v2'
  @command put(_value: number): void {}
  @query get(): number {
    return 2
  }
}
class V3 extends NodeObject {
  static override readonly className = 'Box.v3'
  @query get(): number {
    return 3
  }
}
class Lid extends NodeObject {
  static override readonly className = 'Lid.v1'
}

type Parts = Readonly<Record<string, unknown>>
const [build, define] = [upgradeClass as unknown as (parts: Parts) => ClassUpgrade, defineUpgrade as (parts: never) => Upgrade]
const [past, future] = [pastSO, futureSO] as unknown as readonly ((parts: Parts) => ClassUpgrade['pastSO'])[] as [
  (parts: Parts) => ClassUpgrade['pastSO'],
  (parts: Parts) => ClassUpgrade['pastSO'],
]
const transform = () => ({})
const whole: Parts = {
  oldClass: V1,
  newClass: V2,
  pastSO: notNeeded,
  futureSO: notNeeded,
  transform,
  schedule: eagerly(),
}
const delegated = (simulates: unknown, over: unknown, more: Parts = {}): Parts => ({
  ...{ simulates, over, delegates: ['get', 'put'], methods: {} },
  ...more,
})
const made = (parts: Parts = {}) => build({ ...whole, ...parts })
const upgradeOf = (...classUpgrades: readonly ClassUpgrade[]) => define({ title: 'Boxes', classUpgrades } as never)

test('a class upgrade has what was written, and defaults for the rest', (t) => {
  const upgrade = made()
  t.deepEqual(upgrade, {
    ...(whole as unknown as ClassUpgrade),
    servers: [],
    only: null,
    records: null,
    rewind: null,
    inverse: null,
    timeouts: { drainTimeoutMs: 10_000, transformTimeoutMs: 600_000, startTimeoutMs: 30_000 },
  })
  const { timeouts } = made({ drainTimeout: '1s', transformTimeout: '2m', startTimeout: 3 })
  t.deepEqual(timeouts, { drainTimeoutMs: 1000, transformTimeoutMs: 120_000, startTimeoutMs: 3 })
  const record = () => 1
  const rule = { pages: { from: 'pages', beside: 'pages', record } }
  t.deepEqual(made({ records: { pages: record } }).records, rule)
  t.throws(() => made({ records: { pages: 7 } }), { message: /^records\.pages: use/ })
})

const refused = { code: 'upgrade.invalid' as const }
const wrong = (message: string) => ({ ...refused, message: `class upgrade Box.v1 → Box.v2: ${message}` })

test('both classes of a class upgrade are classes of nodes', (t) => {
  for (const part of ['oldClass', 'newClass'])
    for (const value of [undefined, class {}, 'Box.v1'])
      t.throws(() => made({ [part]: value }), {
        ...refused,
        message: `a class upgrade’s ${part} is not a class that extends NodeObject`,
      })
})

test('the new class has a name of its own, and the service of the old one', (t) => {
  class Same extends NodeObject {
    static override readonly className = 'Box.v1'
    @query get(): number {
      return 1
    }
    @command put(_value: number): void {}
  }
  t.throws(() => made({ newClass: Same }), {
    message: 'class upgrade Box.v1 → Box.v1: the new class needs a name of its own',
  })
  t.throws(() => made({ newClass: Lid, pastSO: none, futureSO: none }), {
    ...refused,
    message:
      'class upgrade Box.v1 → Lid.v1: the old class is of service box, the new one of lid: give both "static override readonly service = \'…\'"',
  })
})

test('a new class that calls what it does not declare is refused', (t) => {
  class CallsLid extends NodeObject {
    static override readonly className = 'Box.v2'
    @query get(): unknown {
      return this.ref(LidBox)
    }
    @command put(_value: number): void {}
  }
  class LidBox extends NodeObject {
    static override readonly className = 'LidBox.v1'
    @query look(): void {}
  }
  t.throws(() => made({ newClass: CallsLid }), { code: 'config.invalid', message: /^Box\.v2 calls LidBox\.v1 without saying so/ })
})

test('what is missing for a class upgrade is said: a transform, a schedule', (t) => {
  t.throws(() => made({ transform: undefined }), wrong('transform is not a function'))
  for (const schedule of [undefined, {}, eagerly])
    t.throws(() => made({ schedule }), wrong('schedule is missing: use eagerly() or gradually(…)'))
})

test('no simulation object is needed only where the next object answers all methods', (t) => {
  const parts = { newClass: V3, pastSO: none, futureSO: none }
  t.notThrows(() => made(parts))
  t.notThrows(() => made({ ...parts, futureSO: notNeeded }))
  t.throws(() => made({ ...parts, pastSO: notNeeded }), {
    ...refused,
    message: 'class upgrade Box.v1 → Box.v3: its pastSO is needed for put: Box.v3 has no such method',
  })
  t.throws(() => made({ oldClass: V3, pastSO: notNeeded, futureSO: notNeeded }), {
    message: 'class upgrade Box.v3 → Box.v2: its futureSO is needed for put: Box.v3 has no such method',
  })
})

test('a simulation object is of its role, its class and the class that it stands over', (t) => {
  t.notThrows(() => made({ pastSO: past(delegated(V1, V2)), futureSO: future(delegated(V2, V1)) }))
  for (const value of [undefined, {}, 7])
    t.throws(() => made({ pastSO: value }), wrong('pastSO is neither a pastSO(…), notNeeded nor none'))
  t.throws(() => made({ futureSO: past(delegated(V2, V1)) }), wrong('futureSO is neither a futureSO(…), notNeeded nor none'))
  t.throws(() => made({ pastSO: past(delegated(V2, V1)) }), wrong('its pastSO simulates Box.v2, not Box.v1'))
  t.throws(() => made({ pastSO: past(delegated(V1, V1)) }), wrong('its pastSO stands over Box.v1, not Box.v2'))
  t.throws(() => made({ futureSO: future(delegated(V2, V2)) }), wrong('its futureSO stands over Box.v2, not Box.v1'))
})

test('an upgrade of some nodes only has both simulation objects, or needs none: each node answers both versions', (t) => {
  const only = { nodes: ['n1', 'eu-*'] }
  t.deepEqual(made({ only }).only, only)
  t.throws(() => made({ only: {} }), wrong("only is { nodes: ['n1', 'eu-*'] }, { facts: { zone: 'eu' } }, or both"))
  const bothNeeded = wrong(
    'with "only" there have to be a pastSO and a futureSO, or they are notNeeded: each node answers both versions',
  )
  t.throws(() => made({ only, pastSO: none }), bothNeeded)
  t.throws(() => made({ only, futureSO: none }), bothNeeded)
  t.throws(() => made({ only, oldClass: V3, pastSO: notNeeded, futureSO: none }), {
    message: /^class upgrade Box\.v3 → Box\.v2: with "only" there/,
  })
  class V4 extends V1 {
    static override readonly className = 'Box.v4' as never
    @query more(): void {}
  }
  t.throws(() => made({ only, oldClass: V4, newClass: V2, pastSO: none }), { message: /with "only" there/ })
})

test('a way back has a transform, and makes the state that the future-SO would have', (t) => {
  t.throws(() => made({ inverse: {} }), wrong('inverse.transform is not a function'))
  t.notThrows(() => made({ inverse: { transform } }))
  const stateful = (initial: () => object) => future(delegated(V2, V1, { initial }))
  const missing = wrong(
    'inverse.future is missing: it makes the state that the future-SO has after an undo, of the new class’s state',
  )
  t.throws(() => made({ futureSO: stateful(() => ({ stars: 1 })), inverse: { transform } }), missing)
  t.notThrows(() => made({ futureSO: stateful(() => ({})), inverse: { transform } }))
  t.notThrows(() => made({ futureSO: stateful(() => ({ stars: 1 })), inverse: { transform, future: transform } }))
  t.notThrows(() => made({ futureSO: stateful(() => ({ stars: 1 })) }))
  for (const part of ['records', 'futureRecords'])
    t.throws(() => made({ inverse: { transform, [part]: { pages: 7 } } }), {
      message: new RegExp(`^inverse\\.${part}\\.pages: use`),
    })
})

test('an upgrade is what it was written as', (t) => {
  const each = made()
  const tables = { authorized: { n1: 'yes' } }
  const upgrade = define({ title: 'Boxes', classUpgrades: [each], tables, unaffected: [Lid] } as never)
  t.deepEqual([upgrade.title, upgrade.tables, upgrade.unaffected], ['Boxes', tables, [Lid]])
  t.deepEqual(upgrade.classUpgrades, [each])
  t.deepEqual([upgradeOf().tables, upgradeOf().unaffected, upgradeOf().classUpgrades], [{}, [], []])
  t.true(isUpgrade(upgrade))
  for (const value of [null, undefined, 7, {}, { ...each }]) t.false(isUpgrade(value))
})

test('an upgrade that is none is refused, under its title', (t) => {
  const message = (text: string) => ({ ...refused, message: `upgrade "Boxes": ${text}` })
  t.throws(() => define({ title: 7, classUpgrades: [] } as never), {
    ...refused,
    message: 'upgrade "7": the title is not a text',
  })
  t.throws(() => define({ title: 'Boxes', classUpgrades: {} } as never), message('classUpgrades is not a list'))
  t.throws(
    () => define({ title: 'Boxes', classUpgrades: [whole] } as never),
    message('write each class upgrade as upgradeClass({ … })'),
  )
  t.throws(() => define({ title: 'Boxes', classUpgrades: [], tables: { 'a b': {} } } as never), { code: 'config.invalid' })
})

test('a class is in one class upgrade of an upgrade, unless they concern different nodes', (t) => {
  const toV3 = made({ newClass: V3, pastSO: none })
  const onwards = build({ ...whole, oldClass: V2, newClass: V3, pastSO: none })
  t.throws(() => upgradeOf(made(), toV3), { ...refused, message: 'upgrade "Boxes": Box.v1 is in two class upgrades' })
  t.throws(() => upgradeOf(made(), onwards), { ...refused, message: 'upgrade "Boxes": Box.v2 is in two class upgrades' })
  // Where the line has forked both go to the same.
  t.notThrows(() => upgradeOf(toV3, onwards))
})

test('an upgrade that waits for its servers knows which these are', (t) => {
  class Server1 extends NodeObject {
    static override readonly className = 'Server.v1'
  }
  class Client1 extends NodeObject {
    static override readonly className = 'Client.v1'
    static override readonly calls = [Server1]
  }
  class Client2 extends NodeObject {
    static override readonly className = 'Client.v2'
    static override readonly calls = [Server1, Lid]
  }
  const clients = made({ oldClass: Client1, newClass: Client2, schedule: afterMyServers() })
  t.deepEqual(upgradeOf(clients).classUpgrades[0]!.servers, ['server', 'lid'])
})

test('the gate has limits unless it is open: those that were given, and the usual ones', (t) => {
  const gate = (limits?: unknown) => define({ title: 'Boxes', classUpgrades: [], gate: limits } as never).gate
  t.is(gate('open'), null)
  t.deepEqual(gate(), { moreFailuresMax: 0.05, slowerMax: 2, callsMin: 200 })
  t.deepEqual(gate({ callsMin: 7 }), { moreFailuresMax: 0.05, slowerMax: 2, callsMin: 7 })
  t.deepEqual(gate({ moreFailuresMax: 0, slowerMax: 1, callsMin: 1 }), { moreFailuresMax: 0, slowerMax: 1, callsMin: 1 })
  const wrongs = [{ moreFailuresMax: -0.01 }, { slowerMax: 0.99 }, { callsMin: 0 }, { callsMin: Number.NaN }, { slowerMax: 'x' }]
  for (const limits of wrongs)
    t.throws(() => gate(limits), {
      ...refused,
      message: /^gate: use \{ moreFailuresMax: 0.05, slowerMax: 2, callsMin: 200 \}, or "open"; moreFailuresMax is a share/,
    })
})

test('the way back is the way turned round, at once, and without the tables', (t) => {
  const [initial, back, futureState] = [() => ({ kept: 1 }), () => ({}), () => ({ f: 1 })]
  const [record, backRecord, futureRecord, pastRecord] = [() => 1, () => 2, () => 3, () => 4]
  const rule = (made: () => number) => ({ pages: { from: 'pages', beside: 'pages', record: made } })
  const there = made({
    ...{ pastSO: past(delegated(V1, V2, { initial, records: { pages: pastRecord } })) },
    ...{ futureSO: future(delegated(V2, V1)), schedule: oneReplicaAtATime(), records: { pages: record } },
    inverse: { transform: back, future: futureState, records: { pages: backRecord }, futureRecords: { pages: futureRecord } },
  })
  const upgrade = define({ title: 'Boxes', classUpgrades: [there], tables: { a: { k: 'v' } }, gate: { callsMin: 7 } } as never)
  const undo = reversed(upgrade)
  t.deepEqual([undo.title, undo.tables, isUpgrade(undo)], ['Undo of “Boxes”', {}, true])
  const turned = undo.classUpgrades[0]!
  t.deepEqual([turned.oldClass, turned.newClass, turned.futureSO], [V2, V1, there.pastSO])
  t.deepEqual(turned.pastSO as object, { ...(there.futureSO as object), initial: futureState, records: rule(futureRecord) })
  t.is(turned.transform, back)
  t.deepEqual(turned.records, rule(backRecord))
  t.deepEqual(turned.inverse, { transform, records: rule(record), future: initial, futureRecords: rule(pastRecord) })
  t.is(turned.schedule.describe, 'eagerly')
  t.is(turned.timeouts, there.timeouts)
  // Turned round twice it is what it was, but for the schedule.
  const again = reversed(undo).classUpgrades[0]!
  t.deepEqual([again.transform, again.records, again.pastSO], [there.transform, there.records, there.pastSO])
})

test('where there are no simulation objects, turned round there are none either', (t) => {
  const turned = reversed(upgradeOf(made({ inverse: { transform }, pastSO: none }))).classUpgrades[0]!
  t.deepEqual([turned.pastSO, turned.futureSO] as unknown[], [notNeeded, none])
  t.deepEqual([turned.inverse!.future, turned.inverse!.futureRecords], [undefined, null])
  const bare = reversed(upgradeOf(made({ inverse: { transform }, futureSO: future(delegated(V2, V1)) }))).classUpgrades[0]!
  t.deepEqual((bare.pastSO as unknown as { initial(): object }).initial(), {})
})

test('an upgrade without a way back can’t be turned round', (t) => {
  const fault = t.throws<Fault>(() => reversed(upgradeOf(made())), refused)
  t.is(fault!.message, "class upgrade Box.v1 → Box.v2 has no inverse: it can't be undone")
})

test('the undo of an undo is the upgrade as it was, with its schedule and gate, and without its tables', (t) => {
  const there = made({ schedule: oneReplicaAtATime() })
  const upgrade = define({ title: 'Boxes', classUpgrades: [there], tables: { a: { k: 'v' } }, gate: { callsMin: 7 } } as never)
  const again = restored(upgrade)
  t.deepEqual([again.title, again.tables], ['Undo of “Undo of “Boxes””', {}])
  t.is(again.classUpgrades, upgrade.classUpgrades)
  t.is(again.gate, upgrade.gate)
})
