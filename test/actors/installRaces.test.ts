/**
 * Installs that overlap: each is the next version or is told that another one was quicker, wherever the
 * others are meanwhile.
 */
import 'reflect-metadata'
import test from 'ava'
import { isFault } from '../../core/base/fault.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { draftManifest } from '../../core/upgrade/draftManifest.js'
import { defineUpgrade } from '../../core/upgrade/upgrade.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { TestSystem } from '../support/testSystem.js'

function draftOf(title: string) {
  const bundle = new TextEncoder().encode(`// ${title}`)
  return { manifest: { ...draftManifest(defineUpgrade({ title, classUpgrades: [] }), bundle) }, bundle }
}

/** A database whose n-th operation takes as many turns as `turnsOf` says. */
function slowDatabase(turnsOf: (operation: number) => number) {
  const inner = memoryDatabase()
  let operations = 0
  return {
    ...inner,
    open: async (...args: Parameters<typeof inner.open>): Promise<UpgradeDatabase> => {
      const database = await inner.open(...args)
      return new Proxy(database, {
        get(target, name) {
          const value = Reflect.get(target, name)
          if (typeof value !== 'function') return value
          if (name !== 'head' && name !== 'install' && name !== 'getChunk' && name !== 'table') return value.bind(target)
          return async (...given: unknown[]) => {
            for (let turns = turnsOf(operations++); turns > 0; turns--) await Promise.resolve()
            return value.apply(target, given)
          }
        },
      })
    },
  }
}

for (const longest of [1, 3, 10, 40])
  test(`of installs that overlap by up to ${longest} turns each is the next version or a conflict`, async (t) => {
    const system = await TestSystem.start(t)
    let drawn = longest
    await system.stopServer()
    await system.startServer({
      udb: slowDatabase(() => {
        drawn = (drawn * 75 + 74) % 65537
        return drawn % longest
      }),
    })
    const publish = (title: string) =>
      system.desk.running.publish(draftOf(title)).catch((error: unknown) => {
        if (isFault(error) && error.code === 'upgrade.conflict') return undefined
        throw error
      })
    const versions: number[] = []
    for (let round = 0; round < 5; round++) {
      const outcomes = await Promise.all(Array.from({ length: 6 }, (_, i) => publish(`${round}.${i}`)))
      versions.push(...outcomes.filter((version) => version !== undefined))
    }
    t.true(versions.length >= 5)
    t.deepEqual(
      versions.toSorted((a, b) => a - b),
      versions.map((_, i) => i + 1),
    )
  })
