/**
 * Two copies of this package in one process, as npm nests one or a test runner resets modules: a class of one
 * is run by a host of the other.
 */
import { registerHooks } from 'node:module'
import test from 'ava'
import * as own from '../../index.js'
import { until } from '../support/eventually.js'
import { TestSystem } from '../support/testSystem.js'

const dist = new URL('../../', import.meta.url).href

/** The same files once more. */
async function anotherCopy(): Promise<typeof own> {
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context)
      const isOfCopy = context.parentURL?.endsWith('?copy') && found.url.startsWith(dist)
      return isOfCopy ? { ...found, url: `${found.url}?copy` } : found
    },
  })
  return await import(`${dist}index.js?copy`)
}

type Copy = typeof own

function classesOf({ NodeObject, command, query, hears, event, applicationFault, isFault }: Copy) {
  const rung = event<[by: number]>('rung')
  class BellV1 extends NodeObject<{ n: number }, { log: string }> {
    static override readonly className: string = 'Bell.v1'
    static override readonly publishes = [rung]
    static override initial() {
      return { n: 0 }
    }
    @command ring(): void {
      this.publish(rung, 2)
    }
    @hears(rung) rang(by: number): void {
      this.state.n += by
      this.collection('log').put(String(this.state.n), 'rang')
    }
    @query n(): number {
      return this.state.n
    }
    @command fail(): void {
      this.state.n = 99
      throw applicationFault('cracked', 'no sound', { n: this.state.n })
    }
    @query async isRefused(): Promise<boolean> {
      try {
        await this.ref(BellV1, this.nodeId).n()
        return false
      } catch (error) {
        return isFault(error) && error.code === 'protocol.call-cycle'
      }
    }
  }
  class BellV2 extends BellV1 {
    static override readonly className = 'Bell.v2'
  }
  return { BellV1, BellV2, NodeObject }
}

test('classes, faults, events and upgrades of another copy are as good as those of the host’s own', async (t) => {
  const copy = await anotherCopy()
  t.not(copy.NodeObject, own.NodeObject)
  const { BellV1, BellV2 } = classesOf(copy)
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(BellV1, 'b')
  const bell = system.desk.ref(BellV1, 'b', { version: 0 })
  await bell.ring()
  await until(async () => (await bell.n()) === 2, 'the event was heard')
  const fault = await t.throwsAsync<own.Fault>(bell.fail())
  t.is(fault!.code, 'application.cracked')
  t.deepEqual(fault!.details, { n: 99 })
  t.true(own.isFault(fault) && copy.isFault(fault))
  t.true(await bell.isRefused())
  const { defineUpgrade, upgradeClass, futureSO, pastSO, eagerly, allOf } = copy
  const parts = {
    delegates: ['ring' as const, 'rang' as const, 'n' as const, 'fail' as const],
    methods: { isRefused: () => true },
  }
  await system.publish(
    defineUpgrade({
      title: 'Bells',
      classUpgrades: [
        upgradeClass({
          oldClass: BellV1,
          newClass: BellV2,
          futureSO: futureSO({ simulates: BellV2, over: BellV1, ...parts }),
          pastSO: pastSO({ simulates: BellV1, over: BellV2, ...parts }),
          transform: (old) => ({ n: old.n + 100 }),
          schedule: allOf(eagerly()),
        }),
      ],
    }),
  )
  await node.reached(1)
  t.is(node.className, 'Bell.v2')
  t.is(await bell.n(), 102)
  t.is(await system.desk.ref(BellV2, 'b', { version: 1 }).n(), 102)
})

test('a helper that another copy’s class leaves unmarked is refused by its own name, not by one of the base class', async (t) => {
  const { NodeObject } = await anotherCopy()
  class Unmarked extends NodeObject {
    static override readonly className = 'Unmarked.v1'
    helper(): void {}
  }
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const fault = await t.throwsAsync<own.Fault>(host.node(Unmarked, 'u'))
  t.regex(fault!.message, /^Unmarked\.v1\.helper is public but unmarked/)
})
