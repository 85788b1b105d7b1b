/** For which runtime a bundle is built: the oldest that it works with. */
import test from 'ava'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import { isRuntimeInterface, neededInterface, runtimeInterface } from '../../core/upgrade/runtimeInterface.js'
import {
  atMost,
  command,
  defineUpgrade,
  eagerly,
  NodeObject,
  none,
  notNeeded,
  pastSO,
  query,
  type Upgrade,
  upgradeClass,
  uses,
} from '../../index.js'

class PlainV1 extends NodeObject {
  static override readonly className: string = 'Plain.v1'
  @query one(): number {
    return 1
  }
}
class PlainV2 extends PlainV1 {
  static override readonly className = 'Plain.v2'
}
class ReadingV2 extends PlainV1 {
  static override readonly className = 'Plain.v2'
  @query override one(): number {
    return this.caller.version
  }
}
class GuardedV2 extends PlainV1 {
  static override readonly className = 'Plain.v2'
  static override readonly allow = 'web'
}
class CallingV2 extends PlainV2 {
  static override readonly calls = [uses(PlainV1, ['one'])]
}

class HastyV2 extends PlainV1 {
  static override readonly className = 'Plain.v2'
  @query async two(): Promise<number> {
    return await this.ref(PlainV1, 'p1', { deadline: 10 }).one()
  }
}

class RecordV2 extends PlainV2 {
  static override readonly calls = { plain: PlainV1 }
}

class ObservedV2 extends PlainV1 {
  static override readonly className = 'Plain.v2'
  protected override observe() {
    return { seen: true }
  }
}
class MarkedV2 extends PlainV1 {
  static override readonly className = 'Plain.v2'
  @command({ allow: ['web'] }) two(): void {}
}

const upgradeTo = (newClass: typeof PlainV1, past?: 'reads its caller' | 'sets a timer', by = eagerly()): Upgrade =>
  defineUpgrade({
    title: 'plain',
    classUpgrades: [
      upgradeClass({
        oldClass: PlainV1,
        newClass,
        futureSO: none,
        pastSO:
          past === undefined
            ? notNeeded
            : pastSO({
                simulates: PlainV1,
                over: newClass,
                initial: () => ({}),
                methods:
                  past === 'sets a timer'
                    ? {
                        one() {
                          this.after(1, 'one')
                          return 1
                        },
                      }
                    : {
                        one() {
                          return this.caller.version
                        },
                      },
              }),
        transform: (state) => state,
        schedule: by,
      }),
    ],
  })

const bundle = new Uint8Array(1)

test('a bundle is for the oldest interface with which its classes work, so that hosts of before can load it', (t) => {
  t.is(draftManifest(upgradeTo(PlainV2), bundle).runtime, 1)
})

for (const [what, upgrade] of Object.entries({
  'a class reads its caller': upgradeTo(ReadingV2),
  'a class says who may call it': upgradeTo(GuardedV2),
  'a method says who may call it': upgradeTo(MarkedV2),
  'a class offers its memory to observers': upgradeTo(ObservedV2),
  'a class names the methods that it calls': upgradeTo(CallingV2),
  'a class lists its calls in a record': upgradeTo(RecordV2),
  'a class gives its calls a deadline': upgradeTo(HastyV2 as never),
  'a simulation object reads its caller': upgradeTo(PlainV2, 'reads its caller'),
  'all nodes go at once': upgradeTo(PlainV2, undefined, atMost('all')),
  'a simulation object sets a timer': upgradeTo(PlainV2, 'sets a timer'),
}))
  test(`where ${what}, a host of release 0.1.0 does not load it`, (t) => {
    t.is(draftManifest(upgrade, bundle).runtime, 2)
  })

test('one class that needs the newer interface is enough', (t) => {
  const [plain] = upgradeTo(PlainV2).classUpgrades
  const [reading] = upgradeTo(ReadingV2).classUpgrades
  t.is(neededInterface([plain!, reading!]), 2)
  t.is(neededInterface([reading!, plain!]), 2)
  t.is(neededInterface([plain!, plain!]), 1)
  t.is(neededInterface([]), 1)
})

test('this release loads bundles of every interface since the first, and of none after its own', (t) => {
  t.is(runtimeInterface, 2)
  t.deepEqual([0, 1, 2, 3, 1.5, Number.NaN].filter(isRuntimeInterface), [1, 2])
})
