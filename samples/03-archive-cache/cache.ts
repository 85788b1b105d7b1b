import { command, NodeObject, query } from 'theseus-actors'

/** A set that can grow and shrink. */
export class Cache extends NodeObject<object, { items: true }> {
  static override readonly className = 'Cache.v1'
  static override readonly service = 'set'

  @command add(item: string): void {
    this.collection('items').put(item, true)
  }

  @query has(item: string): boolean {
    return this.collection('items').has(item)
  }

  @command remove(item: string): void {
    this.collection('items').delete(item)
  }
}
