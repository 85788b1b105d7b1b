/**
 * Ten upgrades of a class that never changes what it can do, so that a node which never upgrades has a
 * future-SO for each of ten versions. `get` is delegated by each of them, `look` is written out: the SO calls
 * the next one itself.
 */
import { defineUpgrade, futureSO, NodeObject, notNeeded, onlyNodes, query, type Upgrade, upgradeClass } from 'theseus-actors'
import { initialValues } from '../values.js'

export const rungsMax = 10

export class Rung extends NodeObject<{ values: Record<string, string> }> {
  static override readonly className: string = 'Rung.v1'
  static override initial() {
    return { values: { ...initialValues } }
  }

  @query get(key: string): string | null {
    return this.state.values[key] ?? null
  }

  @query look(key: string): string | null {
    return this.state.values[key] ?? null
  }
}

export const rungs: readonly (typeof Rung)[] = [
  Rung,
  ...Array.from({ length: rungsMax }, (_, i) => {
    return class extends Rung {
      static override readonly className = `Rung.v${i + 2}`
    }
  }),
]

/** The upgrade to a version. No node ever goes. */
export function upgradeTo(version: number): Upgrade {
  const [oldClass, newClass] = [rungs[version - 1]!, rungs[version]!]
  return defineUpgrade({
    title: `Rung ${version}`,
    classUpgrades: [
      upgradeClass({
        oldClass,
        newClass,
        futureSO: futureSO({
          simulates: newClass,
          over: oldClass,
          delegates: ['get'],
          methods: {
            look(key) {
              return this.next.look(key)
            },
          },
        }),
        pastSO: notNeeded,
        transform: (old) => ({ values: old.values }),
        schedule: onlyNodes(),
      }),
    ],
  })
}
