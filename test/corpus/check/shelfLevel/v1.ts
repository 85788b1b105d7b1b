import { command, NodeObject, query } from 'theseus-actors'

/** A level of -1: nobody has counted yet. */
export class ShelfV1 extends NodeObject<{ level: number }> {
  static override readonly className = 'Shelf.v1'
  static override initial() {
    return { level: -1 }
  }
  @command add(count: number): void {
    this.state.level = Math.max(0, this.state.level) + count
  }
  @query level(): number {
    return this.state.level
  }
}

/** Levels may be below 0, where more is promised than there is. */
export class ShelfV2 extends NodeObject<{ level: number; isCounted: boolean }> {
  static override readonly className = 'Shelf.v2'
  static override initial() {
    return { level: 0, isCounted: false }
  }
  @command add(count: number): void {
    this.state.level += count
    this.state.isCounted = true
  }
  @query level(): number {
    return this.state.isCounted ? this.state.level : -1
  }
}
