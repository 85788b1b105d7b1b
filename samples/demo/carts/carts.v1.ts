import { command, NodeObject, query } from 'theseus-actors'

/** A sharded service: a cart belongs to no host. Its shard's log is in NATS. */
export class CartsV1 extends NodeObject<{ items: string[] }> {
  static override readonly className = 'Carts.v1'
  static override readonly shards = 6
  static override initial() {
    return { items: [] as string[] }
  }
  @command add(item: string): number {
    return this.state.items.push(item)
  }
  @query items(): string[] {
    return this.state.items
  }
}
