/**
 * Texts that a caller chooses become keys of an object's state. Some keys mean something to JavaScript:
 * whatever a caller sends, nothing but the state of the node that it calls may change.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import type { Upgrade } from '../../core/upgrade/upgrade.js'
import { command, eagerly, NodeObject, query } from '../../index.js'
import { GreeterV1 } from '../../samples/01-hello/greeter.v1.js'
import comments from '../../samples/02-pages-comments/upgrades/1-comments.js'
import likes from '../../samples/02-pages-comments/upgrades/2-likes.js'
import archiveToCache from '../../samples/03-archive-cache/upgrades/1-cache.js'
import sizes from '../../samples/04-replica-group/upgrades/1-sizes.js'
import tomorrow from '../../samples/05-clients-after-servers/upgrades/1-tomorrow.js'
import kelvin from '../../samples/06-sensor-field/upgrades/1-kelvin.js'
import euros from '../../samples/08-rewind/upgrades/1-euros.js'
import orders from '../../samples/09-neighbours/upgrades/warehouse-1-orders.js'
import { until } from '../support/eventually.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

/**
 * Every name that an ordinary object has without anybody having put it there, and some that it may have soon.
 */
const keys = [...Object.getOwnPropertyNames(Object.prototype), 'prototype', 'toJSON', 'then', 'length', 'polluted', '']

const builtIns = [Object, Object.prototype, Array.prototype, String.prototype, Function.prototype, Promise.prototype]
const surroundings = () =>
  builtIns.map((each) =>
    Reflect.ownKeys(each).map((key) => {
      const { value, get, set } = Object.getOwnPropertyDescriptor(each, key)!
      return [key, value, get, set]
    }),
  )
const before = surroundings()

/**
 * Calls every method with these keys as arguments, whatever it expects. A key may also name a
 * node that nobody runs.
 */
async function callWithKeys(t: ExecutionContext, system: TestSystem, definition: NodeClass, nodeId: string, version: number) {
  const { operator } = system.desk.running
  for (const [method, kind] of describeClass(definition).methods) {
    const made = keys.flatMap((key) => [
      operator.call({ node: nodeId }, method, [key, key, key], { version, kind, deadlineMs: 300 }),
      operator.call({ node: nodeId }, method, [key, 1, { [key === '__proto__' ? 'polluted' : key]: key }], {
        version,
        kind,
        deadlineMs: 300,
      }),
    ])
    await Promise.allSettled(made)
    t.deepEqual(surroundings(), before, `${definition.className}.${method}`)
  }
}

const samples: Record<string, readonly Upgrade[]> = {
  '02-pages-comments': [comments, likes],
  '03-archive-cache': [archiveToCache],
  '04-replica-group': [sizes],
  '05-clients-after-servers': [tomorrow],
  '06-sensor-field': [kelvin],
  '08-rewind': [euros],
  '09-neighbours': [orders],
}

for (const [name, upgrades] of Object.entries(samples))
  test(`sample ${name}: no key that a caller can think of changes more than its node, at any version, in objects and simulation objects`, async (t) => {
    const system = await TestSystem.start(t)
    const host = await system.host('h')
    const classes = [...new Set(upgrades[0]!.classUpgrades.map(({ oldClass }) => oldClass))]
    for (const [i, definition] of classes.entries()) await host.node(definition, `n${i}`)
    const operator = system.desk.running.operator
    for (const [i, upgrade] of upgrades.entries()) {
      const version = i + 1
      for (const k of classes.keys()) await operator.hold(`n${k}`, 'its simulation objects answer')
      const classUpgrades = upgrade.classUpgrades.map((each) => ({ ...each, schedule: eagerly() }))
      await system.publish({ ...upgrade, classUpgrades })
      for (const [k, definition] of classes.entries()) {
        const change = upgrade.classUpgrades.find(({ oldClass }) => oldClass === definition)
        const next = change?.newClass ?? definition
        await callWithKeys(t, system, definition, `n${k}`, i)
        await callWithKeys(t, system, next, `n${k}`, version)
        classes[k] = next
      }
      for (const k of classes.keys()) await operator.release(`n${k}`)
      const isUpgraded = async () =>
        (await system.database.nodes()).every((row) => row.service === 'client' || row.version === version)
      await until(isUpgraded, 'they go on')
      for (const [k, definition] of classes.entries()) await callWithKeys(t, system, definition, `n${k}`, version)
      for (const change of upgrade.classUpgrades) {
        const k = classes.indexOf(change.newClass)
        if (k >= 0) await callWithKeys(t, system, change.oldClass, `n${k}`, i)
      }
    }
  })

test('sample 01-hello: no key that a caller can think of changes more than its node', async (t) => {
  const system = await TestSystem.start(t)
  await (await system.host('h')).node(GreeterV1, 'n0')
  await callWithKeys(t, system, GreeterV1, 'n0', 0)
})

interface Nested {
  pages: Record<string, Record<string, unknown>>
}

/** As people write it. */
class NestV1 extends NodeObject<Nested, { boxes: Record<string, unknown> }> {
  static override readonly className = 'Nest.v1'
  static override initial(): Nested {
    return { pages: {} }
  }
  @command set(page: string, key: string, value: unknown): void {
    this.state.pages[page] ??= {}
    this.state.pages[page][key] = value
  }
  @query get(page: string): unknown {
    return this.state.pages[page] ?? null
  }
  @query getOf(page: string, key: string): unknown {
    return this.state.pages[page]?.[key] ?? null
  }
  @command box(key: string, field: string): unknown {
    const boxes = this.collection('boxes')
    const box = boxes.get(key) ?? {}
    box[field] ??= 'new'
    boxes.put(key, box)
    return box[field]
  }
  @command fresh(page: string, key: string): unknown {
    const made: Record<string, unknown> = {}
    this.state.pages[page] = made
    return made[key] ?? null
  }
}

async function nest(t: ExecutionContext) {
  const system = await TestSystem.start(t)
  let host = await system.host('h')
  await host.node(NestV1, 'n')
  const restarted = async () => {
    host = await system.host('h', { state: host.kill() })
    await host.node(NestV1, 'n')
  }
  return { ref: system.desk.ref(NestV1, 'n', { version: 0 }), restarted }
}

test('a key that nobody has set has no value, at once and after a restart, in records that a command has made too', async (t) => {
  const { ref, restarted } = await nest(t)
  await ref.set('home', 'title', 'Home')
  for (const when of ['at once', 'after a restart']) {
    for (const key of keys) {
      t.is(await ref.get(key), null, `${key}, ${when}`)
      t.is(await ref.getOf('home', key), null, `home.${key}, ${when}`)
    }
    await restarted()
  }
})

test('what a caller names as any key but __proto__ is kept under it; that one is refused, and leaves no trace', async (t) => {
  const { ref, restarted } = await nest(t)
  const kept = keys.filter((key) => key !== '__proto__')
  for (const key of kept) await ref.set(key, key, key)
  t.is(await codeOf(ref.set('__proto__', 'polluted', 1)), 'protocol.bad-arguments')
  t.is(await codeOf(ref.set('home', '__proto__', { polluted: 1 })), 'protocol.bad-arguments')
  for (const when of ['at once', 'after a restart']) {
    for (const key of kept) t.is(await ref.getOf(key, key), key, `${key}, ${when}`)
    t.is(await ref.get('__proto__'), null)
    await restarted()
  }
  t.deepEqual(surroundings(), before)
})

test('the records of collections have no fields but their own', async (t) => {
  const { ref } = await nest(t)
  await ref.box('b', 'first')
  for (const key of keys.filter((each) => each !== '__proto__')) t.is(await ref.box('b', key), 'new')
  for (const key of keys.filter((each) => each !== '')) t.is(await ref.box(key, 'a'), 'new')
})
