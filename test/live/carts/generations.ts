/** Any number of versions of one sharded service, each of which knows its number. */
import { command, defineUpgrade, eagerly, futureSO, NodeObject, notNeeded, query, upgradeClass } from 'theseus-actors'

interface Cart {
  items: string[]
  generation: number
}

/** Of version 0. */
export class FirstGeneration extends NodeObject<Cart> {
  static override readonly className: string = 'Generations.v0'
  static override readonly shards = 6
  static override initial(): Cart {
    return { items: [], generation: 0 }
  }
  @command add(item: string): number {
    return this.state.items.push(item)
  }
  @query items(): string[] {
    return this.state.items
  }
  @query generation(): number {
    return this.state.generation
  }
}

function generation(number: number): typeof FirstGeneration {
  if (number === 0) return FirstGeneration
  return class extends FirstGeneration {
    static override readonly className = `Generations.v${number}`
    static override initial(): Cart {
      return { items: [], generation: number }
    }
  }
}

/** To version `number`, from the one before it. */
export function generationUpgrade(number: number) {
  const [oldClass, newClass] = [generation(number - 1), generation(number)]
  return defineUpgrade({
    title: `Generation ${number}`,
    classUpgrades: [
      upgradeClass({
        ...{ oldClass, newClass, pastSO: notNeeded, schedule: eagerly() },
        futureSO: futureSO({
          ...{ simulates: newClass, over: oldClass, initial: () => ({}), delegates: ['add', 'items'] },
          methods: { generation: () => number },
        }),
        transform: ({ items }: Cart) => ({ items, generation: number }),
      } as never),
    ],
  })
}
