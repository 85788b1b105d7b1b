import { command, NodeObject, query } from 'theseus-actors'

/** The nodes of the bench of shards, local and sharded: a command writes one record of a collection. */
class Carts extends NodeObject<{ puts: number }, { values: string }> {
  static override initial() {
    return { puts: 0 }
  }

  @command put(key: string, value: string): void {
    this.collection('values').put(key, value)
  }

  @query get(key: string): string | null {
    return this.collection('values').get(key) ?? null
  }
}

export class LocalCarts extends Carts {
  static override readonly className = 'Localcarts.v1'
}

export class ShardedCarts extends Carts {
  static override readonly className = 'Shardedcarts.v1'
  static override readonly shards = 16
}

export const system = 'shards'
export const nodes = Array.from({ length: 16 }, (_, i) => `cart-${i}`)
/** Nodes that are called once, and then sleep. */
export const sleepers = Array.from({ length: 200 }, (_, i) => `sleeper-${i}`)
export const sleepAfterMs = 2_000
