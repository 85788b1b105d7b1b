import { command, NodeObject, query } from 'theseus-actors'

/** A set that can only grow: what it has once had, it has for ever. */
export class Archive extends NodeObject<object, { items: true }> {
  static override readonly className = 'Archive.v1'
  static override readonly service = 'set'

  @command add(item: string): void {
    this.collection('items').put(item, true)
  }

  @query has(item: string): boolean {
    return this.collection('items').has(item)
  }
}
