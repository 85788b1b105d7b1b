/** From an upgrade to what its manifest says of it, and of the one that undoes it. */
import test from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { draftManifest, undoDraft } from '../../core/upgrade/draftManifest.js'
import type { ClassUpgradeEntry, FirstManifest, Manifest } from '../../core/upgrade/manifest.js'
import type { ClassUpgrade, Upgrade } from '../../core/upgrade/upgrade.js'
import {
  afterMyServers,
  command,
  defineUpgrade,
  event,
  futureSO,
  NodeObject,
  none,
  notNeeded,
  oneReplicaAtATime,
  pastSO,
  query,
  upgradeClass,
} from '../../index.js'

const opened = event('opened')
class Server extends NodeObject {
  static override readonly className = 'Server.v1'
  @query ask(): void {}
}
class Server2 extends NodeObject {
  static override readonly className = 'Server.v2'
}
class V1 extends NodeObject {
  static override readonly className = 'Box.v1'
  @query get(): number {
    return 1
  }
}
class V2 extends NodeObject {
  static override readonly className = 'Box.v2'
  static override readonly calls = [Server]
  static override readonly publishes = [opened]
  @query get(): number {
    return 2
  }
  @command put(_value: number): void {}
}

type Parts = Readonly<Record<string, unknown>>
const build = upgradeClass as unknown as (parts: Parts) => ClassUpgrade
const define = defineUpgrade as (parts: never) => Upgrade
const [past, future] = [pastSO, futureSO] as unknown as [(parts: Parts) => object, (parts: Parts) => object]
const transform = () => ({})
const own = () => 1
const pastBox = past({ simulates: V1, over: V2, delegates: ['get'], methods: {} })
const whole: Parts = {
  oldClass: V1,
  newClass: V2,
  pastSO: pastBox,
  futureSO: future({ simulates: V2, over: V1, delegates: ['get'], refuses: ['put'], methods: {} }),
  transform,
  schedule: oneReplicaAtATime(),
}
const draft = (parts: Parts = {}, more: Parts = {}) =>
  draftManifest(
    define({ title: 'Boxes', classUpgrades: [build({ ...whole, ...parts })], ...more } as never),
    new Uint8Array([1, 2, 3]),
  )

test('a manifest says of an upgrade what hosts need to know before they have its bundle', (t) => {
  const tables = { authorized: { n1: 'yes' } }
  t.deepEqual(draft({}, { tables }), {
    format: 1,
    runtime: 1,
    title: 'Boxes',
    bundle: { digest: digestOf(new Uint8Array([1, 2, 3])), bytes: 3 },
    classUpgrades: [
      {
        service: 'box',
        oldClass: 'Box.v1',
        newClass: 'Box.v2',
        pastSO: 'so',
        futureSO: 'so',
        only: null,
        schedule: 'oneReplicaAtATime',
        oldMethods: { get: 'query' },
        newMethods: { get: 'query', put: 'command' },
        oldUses: [],
        newUses: ['Server.v1', 'opened/1'],
        inverse: false,
        delegated: { 'Box.v1': ['get'], 'Box.v2': ['get'] },
      },
    ],
    tables,
    gate: { moreFailuresMax: 0.05, slowerMax: 2, callsMin: 200 },
  })
})

test('a manifest says which simulation objects there are, and whether there is a way back', (t) => {
  const entry = (parts: Parts) => draft(parts).classUpgrades[0]!
  const without = entry({ pastSO: notNeeded, futureSO: none, inverse: { transform } })
  t.deepEqual([without.pastSO, without.futureSO, without.inverse], ['notNeeded', 'none', true])
  t.is(draft({}, { gate: 'open' }).gate, null)
})

test('an upgrade that leaves a class behind which it knows of is not built', (t) => {
  class Client extends NodeObject {
    static override readonly className = 'Client.v1'
    static override readonly calls = [Server]
  }
  const change = build({ ...whole, oldClass: Server, newClass: Server2, pastSO: none, futureSO: notNeeded })
  const other = define({ title: 'Servers', classUpgrades: [change], unaffected: [Client] } as never)
  t.throws(() => draftManifest(other, new Uint8Array()), { code: 'upgrade.invalid', message: /^Client\.v1 calls Server\.v1/ })
  t.notThrows(() => draftManifest({ ...other, unaffected: [V1] }, new Uint8Array()))
  // Classes that the upgrade makes itself must agree too.
  const both = define({ title: 'Both', classUpgrades: [change, build(whole)] } as never)
  t.throws(() => draftManifest(both, new Uint8Array()), { message: /^Box\.v2 calls Server\.v1/ })
})

test('an upgrade whose schedules wait for each other is not built', (t) => {
  const servers = build({
    ...{ oldClass: Server, newClass: Server2, pastSO: none, futureSO: notNeeded, transform },
    schedule: afterMyServers('box'),
  })
  const boxes = build({ ...whole, schedule: afterMyServers('server') })
  const upgrade = define({ title: 'Both', classUpgrades: [servers, boxes] } as never)
  t.throws(() => draftManifest(upgrade, new Uint8Array()), {
    code: 'upgrade.invalid',
    message: /no node of these would ever upgrade/,
  })
})

test('a future-SO with collections needs a word on what an undo makes of them', (t) => {
  const keeping = future({
    ...{ simulates: V2, over: V1, delegates: ['get'] },
    methods: {
      put(this: { collection(name: string): { put(key: string, value: number): void } }, value: number) {
        this.collection('kept').put('a', value)
      },
    },
  })
  const lost = {
    code: 'upgrade.invalid' as const,
    message:
      /^class upgrade Box\.v1 → Box\.v2: an undo would lose the collections of the future-SO, which put uses: inverse\.future or/,
  }
  t.throws(() => draft({ futureSO: keeping, inverse: { transform } }), lost)
  t.notThrows(() => draft({ futureSO: keeping, inverse: { transform, future: transform } }))
  t.notThrows(() => draft({ futureSO: keeping, inverse: { transform, futureRecords: { kept: own } } }))
  t.notThrows(() => draft({ futureSO: keeping }))
  t.notThrows(() => draft({ inverse: { transform } }))
  t.notThrows(() => draft({ futureSO: none, inverse: { transform } }))
})

const entry = (oldClass: string, newClass: string, more: Partial<ClassUpgradeEntry> = {}): ClassUpgradeEntry => ({
  ...{ service: 'box', oldClass, newClass, pastSO: 'so', futureSO: 'none', only: { nodes: ['n1'] }, schedule: 'whenIdle(1m)' },
  ...{ oldMethods: { get: 'query' }, newMethods: { put: 'command' }, oldUses: ['X'], newUses: ['Y'], inverse: true },
  ...more,
})
const gate = { moreFailuresMax: 0, slowerMax: 1, callsMin: 1 }
const manifest = (version: number, undoes: number | null, more: Partial<FirstManifest> = {}): Manifest => ({
  ...{ format: 1, runtime: 1, title: `Title ${version}`, system: 'shop', version, undoes, previous: null, reason: 'why' },
  bundle: { digest: `digest ${version}`, bytes: version },
  classUpgrades: [entry('Box.v1', 'Box.v2')],
  tables: { a: { k: 'v' } },
  gate,
  createdAt: '',
  upgrader: null,
  upgraders: null,
  ...more,
})

test('the manifest of an undo is the upgrade turned round: at once, without tables and gate', (t) => {
  t.deepEqual(undoDraft(manifest(3, null)), {
    format: 1,
    runtime: 1,
    title: 'Undo of “Title 3”',
    bundle: { digest: 'digest 3', bytes: 3 },
    classUpgrades: [
      entry('Box.v2', 'Box.v1', {
        ...{ pastSO: 'none', futureSO: 'so', schedule: 'eagerly', oldUses: ['Y'], newUses: ['X'] },
        ...{ oldMethods: { put: 'command' }, newMethods: { get: 'query' } },
      }),
    ],
    tables: {},
    gate: null,
  })
})

test('an upgrade with a class upgrade that has no way back can’t be undone, and the first is named', (t) => {
  const classUpgrades = [
    entry('Box.v1', 'Box.v2'),
    entry('Lid.v1', 'Lid.v2', { inverse: false }),
    entry('Rim.v1', 'Rim.v2', { inverse: false }),
  ]
  t.throws(() => undoDraft(manifest(3, null, { classUpgrades })), {
    code: 'upgrade.invalid',
    message: "version 3 can't be undone: class upgrade Lid.v1 → Lid.v2 has no inverse",
  })
})

test('the undo of an undo brings again what was undone: its schedule and its gate, and not its tables', (t) => {
  const there = manifest(2, null)
  const undo = manifest(3, 2, { title: 'Undo of “Title 2”', ...{ bundle: there.bundle, gate: null, tables: {} } })
  const history = [manifest(1, null, { classUpgrades: [] }), there, undo]
  const again = undoDraft(undo, history)
  t.deepEqual([again.classUpgrades, again.gate, again.tables], [there.classUpgrades, gate, {}])
  t.deepEqual([again.title, again.bundle, again.format, again.runtime], ['Undo of “Undo of “Title 2””', there.bundle, 1, 1])
  t.deepEqual(undoDraft(undo, history.slice(0, 2)), again)
  // Without the history it is an upgrade like any other.
  t.is(undoDraft(undo).classUpgrades[0]!.schedule, 'eagerly')
})

test('the undo of the undo of an undo takes back again', (t) => {
  const there = manifest(1, null)
  const undo = manifest(2, 1, { gate: null })
  const again = manifest(3, 2)
  const draft = undoDraft(again, [there, undo, again])
  t.deepEqual([draft.gate, draft.classUpgrades[0]!.oldClass, draft.classUpgrades[0]!.schedule], [null, 'Box.v2', 'eagerly'])
  const back = manifest(4, 3, { gate: null })
  // The one after that brings again what version 3 brought.
  t.deepEqual(undoDraft(back, [there, undo, again, back]).gate, gate)
})
